// Owns: one document of one Yjs client: what the next server must be told of it.
import type { Frame } from "../frame.ts";
import { joined, type Lib0Reader, sized } from "./lib0.ts";
import type { LiveClients, Presence } from "./yjs-awareness.ts";
import { KnownState } from "./yjs-state-vector.ts";

/** Kinds of messages that y-websocket and Hocuspocus share (y-protocols). */
export const SYNC = 0;
export const AWARENESS = 1;
/** Kinds of sync messages: what one has, what the other lacks, and a change. */
export const STEP_1 = 0;
export const STEP_2 = 1;
export const UPDATE = 2;

/** A message of a document. `body` stands behind its type. */
export interface YjsMessage {
  readonly frame: Uint8Array;
  readonly type: number;
  readonly body: Lib0Reader;
}

/** To whom it is written. */
export interface YjsOut {
  toClient(frame: Frame): void;
  toUpstream(frame: Frame): void;
}

export class YjsDocument {
  readonly #prefix: Uint8Array;
  readonly #out: YjsOut;
  readonly #known = new KnownState();
  readonly #presence: Presence;
  /** Its first question; who it is follows at once, if it says that. */
  #hello: "to come" | "now" | "over" = "to come";

  /** `prefix`: what stands before the type in each message of this document. */
  constructor(prefix: Uint8Array, out: YjsOut, presence: Presence) {
    this.#prefix = prefix;
    this.#out = out;
    this.#presence = presence;
  }

  get bytes(): number {
    return this.#prefix.length + this.#known.bytes + this.#presence.bytes;
  }

  /** What the client is known to have, and who it is. */
  save(): readonly Uint8Array[] {
    const { client } = this.#known;
    return [this.#presence.save(), ...(client === undefined ? [] : [client])];
  }

  restore(presence: Uint8Array, vector: Uint8Array | undefined): void {
    this.#hello = "over";
    this.#presence.restore(presence);
    if (vector !== undefined) this.#known.clientSaid(vector);
  }

  /** Passes it on. The kind of sync message, if it is one. */
  fromClient({ frame, type, body }: YjsMessage): number | undefined {
    if (type === AWARENESS) this.#awarenessOfClient(frame, body.bytes());
    else this.#out.toUpstream(frame);
    if (this.#hello === "now") this.#hello = "over";
    if (type !== SYNC) return undefined;
    const kind = body.uint();
    const vector = body.bytes();
    if (kind === STEP_1 && this.#hello === "to come") this.#hello = "now";
    if (kind === STEP_1 && !body.isBroken) this.#known.clientSaid(vector);
    return kind;
  }

  /** Passes it on. The kind of sync message, if it is one. */
  fromUpstream({ frame, type, body }: YjsMessage): number | undefined {
    if (type === AWARENESS) this.#awarenessOfUpstream(frame, body.bytes());
    else this.#out.toClient(frame);
    if (type !== SYNC) return undefined;
    const kind = body.uint();
    const vector = body.bytes();
    if (kind === STEP_1 && !body.isBroken) this.#known.serverSaid(vector);
    else if (kind === STEP_2) this.#known.clientWasTold();
    return kind;
  }

  /**
   * Tells a new server who the client is, and asks it for what the client lacks. True: it asked.
   */
  reattach(): boolean {
    this.#known.serverLeft();
    const { client } = this.#known;
    if (client !== undefined) this.#toUpstream(SYNC, STEP_1, sized(client));
    const announced = this.#presence.announced();
    if (announced !== undefined) this.#toUpstream(AWARENESS, sized(announced));
    this.#doubt();
    return client !== undefined;
  }

  ended(): void {
    this.#presence.ended();
  }

  #awarenessOfClient(frame: Uint8Array, update: Uint8Array): void {
    const { told, isBehind } = this.#presence.fromClient(update, this.#hello === "now");
    if (told === update) this.#out.toUpstream(frame);
    else this.#toUpstream(AWARENESS, sized(told));
    if (isBehind) this.#doubt();
  }

  #awarenessOfUpstream(frame: Uint8Array, update: Uint8Array): void {
    const told = this.#presence.fromUpstream(update);
    if (told === update) this.#out.toClient(frame);
    else if (told !== undefined) this.#toClient(AWARENESS, sized(told));
  }

  #doubt(): void {
    const { doubt } = this.#presence;
    if (doubt !== undefined) this.#toClient(AWARENESS, sized(doubt));
  }

  #toUpstream(...parts: readonly (number | Uint8Array)[]): void {
    this.#out.toUpstream(joined(this.#prefix, ...parts));
  }

  #toClient(...parts: readonly (number | Uint8Array)[]): void {
    this.#out.toClient(joined(this.#prefix, ...parts));
  }
}
