// Owns: one editor: Hocuspocus' own provider, a shared text, who else is here.
import { HocuspocusProvider, HocuspocusProviderWebsocket } from "@hocuspocus/provider";
import { Doc } from "yjs";
import { Card } from "./card.ts";
import { type SocketWatch, watched } from "./socket-watch.ts";
import { bindText } from "./text-binding.ts";

const DOCUMENT = "letter";
const COUNT_MS = 250;

export interface EditorPlan {
  readonly person: string;
  readonly url: string;
  readonly watch: SocketWatch;
  /** Where its card stands. */
  readonly place: HTMLElement;
  /** Whether it counts in the document, so that something changes all the time. */
  readonly counts: () => boolean;
}

export class Editor extends Card {
  readonly #doc = new Doc();
  readonly #provider: HocuspocusProvider;

  constructor({ person, url, watch, place, counts }: EditorPlan) {
    super("editor", place, watch);
    const id = person.toLowerCase();
    const area = this.part("textarea") as HTMLTextAreaElement;
    area.id = `${id}-text`;
    area.dataset.testid = area.id;
    area.setAttribute("aria-label", `The text as ${person} has it`);
    this.element.dataset.testid = `${id}-editor`;
    bindText(area, this.#doc.getText("text"));
    const websocketProvider = new HocuspocusProviderWebsocket({
      ...{ url, WebSocketPolyfill: watched(watch) },
    });
    this.#provider = new HocuspocusProvider({
      ...{ websocketProvider, name: DOCUMENT, document: this.#doc, token: person },
      onStateless: ({ payload }) => {
        watch.server = `${payload}`;
      },
    });
    this.#provider.attach();
    this.#provider.awareness?.setLocalStateField("person", person);
    const facts = this.#doc.getMap<number>("facts");
    setInterval(() => {
      if (counts() && this.#provider.isSynced) facts.set("count", (facts.get("count") ?? 0) + 1);
    }, COUNT_MS);
  }

  override show(gapMs: number): void {
    super.show(gapMs);
    const states = [...(this.#provider.awareness?.getStates().values() ?? [])];
    const people = states.map(({ person }) => String(person ?? "")).filter(Boolean);
    this.say(".people", people.sort().join(", ") || "–");
    this.say(".count", String(this.#doc.getMap<number>("facts").get("count") ?? 0));
  }
}
