// Owns: short lists with the newest on top, which are drawn at most four times a second.
const SHOWN_MAX = 60;

export interface Line {
  readonly atMs: number;
  readonly name: string;
  readonly words: string;
  readonly mood?: "bad" | "good";
}

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** Like 14:03:20, in the reader's time zone. */
export const timeOf = (atMs: number): string => clock.format(atMs);

export class Roll {
  readonly #list = document.createElement("ol");
  #waiting: Line[] = [];

  /** `within` gets the list as its last child. */
  constructor(within: Element, label: string) {
    this.#list.className = "roll";
    this.#list.setAttribute("aria-label", label);
    // It scrolls, so the keyboard must reach it.
    this.#list.tabIndex = 0;
    within.append(this.#list);
  }

  add(line: Line): void {
    this.#waiting.push(line);
    if (this.#waiting.length > SHOWN_MAX) this.#waiting.shift();
  }

  draw(): void {
    if (this.#waiting.length === 0) return;
    this.#list.prepend(...this.#waiting.map(itemOf).reverse());
    this.#waiting = [];
    while (this.#list.childElementCount > SHOWN_MAX) this.#list.lastElementChild?.remove();
  }
}

function itemOf({ atMs, name, words, mood }: Line): HTMLLIElement {
  const item = document.createElement("li");
  if (mood !== undefined) item.dataset.mood = mood;
  const time = document.createElement("time");
  time.textContent = timeOf(atMs);
  const bold = document.createElement("b");
  bold.textContent = name;
  const rest = document.createElement("span");
  rest.textContent = words;
  item.append(time, bold, rest);
  return item;
}
