// Owns: editors of Hocuspocus, on the library `@hocuspocus/provider`, several for each document.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { HocuspocusProvider, HocuspocusProviderWebsocket } from "@hocuspocus/provider";
import * as Y from "yjs";
import type { App, DocumentState } from "../app.ts";
import { SERVERS } from "./programs.ts";
import { type Heard, type Line, Talker } from "./talker.ts";

const EDITORS = 4;
const AGAIN_MS = 200;
/** The provider tells of a close with this code if it does not know any. */
const NO_CODE = 0;

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/**
 * Each editor writes numbers to the end of a list of its own in the document, and hears those of
 * the others. A number is answered once the server has acknowledged it.
 */
class HocuspocusLine implements Line {
  readonly #socket: HocuspocusProviderWebsocket;
  readonly #provider: HocuspocusProvider;
  readonly #document = new Y.Doc();
  readonly #name: string;
  readonly #id: number;
  /** Numbers that were written and not acknowledged, in order. */
  readonly #written: number[] = [];
  readonly hearsFromFirst = false;
  #isOpen = false;
  #isOver = false;

  constructor(url: string, id: number) {
    this.#id = id;
    this.#name = `doc-${Math.floor(id / EDITORS)}`;
    this.#socket = new HocuspocusProviderWebsocket({
      ...{ url: `${url}?doc=${this.#name}`, autoConnect: false },
      ...{ delay: AGAIN_MS, minDelay: AGAIN_MS, maxDelay: 5 * AGAIN_MS },
    });
    this.#provider = new HocuspocusProvider({
      ...{ websocketProvider: this.#socket, name: this.#name, document: this.#document },
      token: "proof",
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  async open(heard: Heard): Promise<void> {
    const provider = this.#provider;
    const first = this.#id - (this.#id % EDITORS);
    for (let other = first; other < first + EDITORS; other++) this.#listen(heard, other);
    provider.on("unsyncedChanges", ({ number }: { readonly number: number }) => {
      // Changes are acknowledged in order.
      while (this.#written.length > number) heard.answer(this.#written.shift() ?? 0);
    });
    provider.on("close", ({ event }: { readonly event: { readonly code?: number } }) => {
      if (this.#isOpen && !this.#isOver) heard.closed(event.code ?? NO_CODE);
      this.#isOpen = false;
      // The provider counts anew when it is back.
      this.#written.length = 0;
    });
    const synced = new Promise<void>((resolve) => {
      provider.on("synced", () => {
        this.#isOpen = true;
        resolve();
      });
    });
    provider.attach();
    void this.#socket.connect();
    await synced;
  }

  say(number: number): void {
    this.#written.push(number);
    this.#document.getArray<number>(listOf(this.#id)).push([number]);
  }

  document(): DocumentState {
    return { name: this.#name, digest: digest(Y.encodeStateAsUpdate(this.#document)) };
  }

  close(): void {
    this.#isOver = true;
    this.#provider.destroy();
    this.#socket.destroy();
  }

  #listen(heard: Heard, other: number): void {
    if (other === this.#id) return;
    this.#document.getArray<number>(listOf(other)).observe(({ changes }) => {
      for (const { insert } of changes.delta)
        for (const number of (insert ?? []) as readonly number[]) heard.push(listOf(other), number);
    });
  }
}

const listOf = (id: number): string => `of ${id}`;

export const hocuspocus: App = {
  name: "hocuspocus",
  title: `Hocuspocus, ${EDITORS} editors for each Yjs document, servers that share nothing, profile yjs`,
  profile: { kind: "yjs", dialect: "hocuspocus" },
  keyQuery: "doc",
  ...{ clients: 200, declared: [] },
  server: ({ port }) => ({
    command: ["node", join(SERVERS, "hocuspocus-server.mjs"), String(port)],
  }),
  client: ({ url, id, everyMs }) => new Talker(new HocuspocusLine(url, id), { id, everyMs }),
  async documentsOf(address, names) {
    const states = names.map(async (name): Promise<readonly DocumentState[]> => {
      const answer = await fetch(`http://${address}/state?doc=${name}`);
      if (!answer.ok) return [];
      return [{ name, digest: digest(new Uint8Array(await answer.arrayBuffer())) }];
    });
    return (await Promise.all(states)).flat();
  },
};
