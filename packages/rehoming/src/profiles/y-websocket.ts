// Owns: a y-websocket client: one document, which the URL names.
import type { Frame } from "../frame.ts";
import type { ProfileOut, ProfileSession, Saved } from "../profile.ts";
import { Lib0Reader } from "./lib0.ts";
import { type LiveClients, Presence } from "./yjs-awareness.ts";
import { YjsDocument, type YjsMessage } from "./yjs-document.ts";

/** A server tells whoever connects what it has, and so asks for what it lacks. */
export class YWebsocket implements ProfileSession {
  readonly #out: ProfileOut;
  readonly #document: YjsDocument;
  readonly isQuiet = true;

  constructor(live: LiveClients, out: ProfileOut) {
    this.#out = out;
    // Ids are drawn by chance among 2^32: those of two documents differ.
    this.#document = new YjsDocument(new Uint8Array(), out, new Presence(live, ""));
  }

  get bytes(): number {
    return this.#document.bytes;
  }

  fromClient(frame: Frame): void {
    if (typeof frame === "string") this.#out.toUpstream(frame);
    else this.#document.fromClient(messageOf(frame));
  }

  fromUpstream(frame: Frame): void {
    if (typeof frame === "string") this.#out.toClient(frame);
    else this.#document.fromUpstream(messageOf(frame));
  }

  attach(): void {
    this.#out.attached();
  }

  fromNext(): void {}

  switched(): void {
    this.#document.reattach();
  }

  save(): Saved {
    return this.#document.save();
  }

  /** False: this is no client of the profile. */
  restore([presence, vector, ...rest]: Saved): boolean {
    if (typeof presence !== "object" || typeof vector === "string" || rest.length > 0) return false;
    this.#document.restore(presence, vector);
    return true;
  }

  ended(): void {
    this.#document.ended();
  }
}

function messageOf(frame: Uint8Array): YjsMessage {
  const body = new Lib0Reader(frame);
  return { frame, type: body.uint(), body };
}
