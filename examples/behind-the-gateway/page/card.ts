// Owns: what editors and arenas of this page have in common: a card with the facts of its socket.
import type { SocketWatch } from "./socket-watch.ts";

export class Card {
  readonly element: HTMLElement;
  readonly #watch: SocketWatch;

  /** `template`: the id of the one that it is made of. It stands last in `place`. */
  constructor(template: string, place: HTMLElement, watch: SocketWatch) {
    const content = (byId(template) as HTMLTemplateElement).content.cloneNode(true);
    this.element = (content as DocumentFragment).firstElementChild as HTMLElement;
    this.#watch = watch;
    this.part("h3").textContent = watch.name;
    this.element.setAttribute("aria-label", watch.name);
    // A card that is no client stands last.
    place.insertBefore(this.element, place.querySelector(".note"));
  }

  part(selector: string): HTMLElement {
    return found(this.element.querySelector<HTMLElement>(selector), selector);
  }

  /** Texts change only if the words do: screen readers read what changes. */
  say(selector: string, words: string): void {
    const part = this.part(selector);
    if (part.textContent !== words) part.textContent = words;
  }

  /** `gapMs`: the longest of the replacement that is looked at. */
  show(gapMs: number): void {
    const { isOpen, closeCount, closes, server } = this.#watch;
    this.say(".server", server === "" ? "–" : server);
    this.part(".server").dataset.ink = inkOf(server);
    this.say(".state", isOpen ? "open" : "closed, connects again");
    this.part(".state").dataset.bad = String(!isOpen);
    const code = closes.at(-1)?.code;
    this.say(".closes", code === undefined ? "0" : `${closeCount} (${code})`);
    this.part(".closes").dataset.bad = String(closeCount > 0);
    this.say(".gap", milliseconds(gapMs));
  }
}

/** The style sheet's name for the colour of a server's version: neighbours differ. */
export const inkOf = (server: string): "node-a" | "node-b" =>
  Number(/^v(\d+)/.exec(server)?.[1] ?? 1) % 2 === 1 ? "node-a" : "node-b";

export const milliseconds = (ms: number): string => `${Math.round(ms).toLocaleString("en")} ms`;

export const byId = (id: string): HTMLElement => found(document.getElementById(id), id);

function found<T>(element: T | null, what: string): T {
  if (element === null) throw new TypeError(`the page has no ${what}`);
  return element;
}
