// Owns: one document of a Hocuspocus client: its login, and updates that no server acknowledged.
import { areEqual, copied } from "./lib0.ts";
import { type LiveClients, Presence } from "./yjs-awareness.ts";
import {
  STEP_1,
  STEP_2,
  UPDATE,
  YjsDocument,
  type YjsMessage,
  type YjsOut,
} from "./yjs-document.ts";

/** A message that the server answers with a sync status. */
interface Sent {
  /** Undefined: it was too much to keep, or need not be sent again. */
  frame: Uint8Array | undefined;
  /** The client does not expect the answer: the gateway had asked the server. */
  readonly isExtra: boolean;
  /** Messages that were too much to keep. All that was in them is in this one. */
  readonly covers: number;
}

/** More are not counted: a server that acknowledges nothing. */
const SENT_MAX = 1000;
const SENT_BYTES = 64;
/** Questions without an answer: more are not remembered. */
const ASKED_MAX = 100;

export class HocuspocusDocument {
  readonly prefix: Uint8Array;
  readonly #document: YjsDocument;
  readonly #out: YjsOut;
  /** The client's login. */
  #login: Uint8Array | undefined;
  /** The server's word that it is good, with what the client may do. */
  #grant: Uint8Array | undefined;
  #sent: Sent[] = [];
  #framesBytes = 0;
  /** Messages that no server acknowledged and that are not kept. */
  #forgotten = 0;
  /** Questions to the server, which will ask back: whether the gateway asked, each. */
  #asked: boolean[] = [];
  /** Questions of the server that the client will answer: the same, each. */
  #askedBack: boolean[] = [];

  constructor(
    name: { readonly prefix: Uint8Array; readonly key: string },
    live: LiveClients,
    out: YjsOut,
  ) {
    this.prefix = copied(name.prefix);
    this.#out = out;
    this.#document = new YjsDocument(this.prefix, out, new Presence(live, name.key));
  }

  get bytes(): number {
    const login = (this.#login?.length ?? 0) + (this.#grant?.length ?? 0);
    return this.#document.bytes + login + this.#framesBytes + SENT_BYTES * this.#sent.length;
  }

  /** Of updates that are not acknowledged. */
  get framesBytes(): number {
    return this.#framesBytes;
  }

  get login(): Uint8Array | undefined {
    return this.#login;
  }

  get isLoggingIn(): boolean {
    return this.#login !== undefined && this.#grant === undefined;
  }

  /** A later one is an answer to a server that wanted to see a token again. */
  logsIn(frame: Uint8Array): void {
    this.#login = copied(frame);
  }

  /** False: the client knows it. */
  granted(frame: Uint8Array): boolean {
    const isNews = this.#grant === undefined || !areEqual(this.#grant, frame);
    this.#grant = copied(frame);
    return isNews;
  }

  fromClient(message: YjsMessage): void {
    const kind = this.#document.fromClient(message);
    if (kind === STEP_1) remember(this.#asked, false);
    if (kind === STEP_2) this.#answers(message.frame, this.#askedBack.shift() ?? false);
    if (kind === UPDATE) this.#keep({ frame: copied(message.frame), isExtra: false, covers: 0 });
  }

  fromUpstream(message: YjsMessage): void {
    const kind = this.#document.fromUpstream(message);
    if (kind === STEP_1) remember(this.#askedBack, this.#asked.shift() ?? false);
  }

  /** How often the client is to hear this acknowledgement. */
  acknowledged(isApplied: boolean): number {
    const sent = this.#sent.shift();
    if (sent === undefined) return 1;
    this.#framesBytes -= sent.frame?.length ?? 0;
    return (sent.isExtra ? 0 : 1) + (isApplied ? sent.covers : 0);
  }

  /** Drops the oldest update that is kept. Its bytes; 0: there is none. */
  forgetOldest(): number {
    const oldest = this.#sent.find(({ frame }) => frame !== undefined);
    const bytes = oldest?.frame?.length ?? 0;
    this.#framesBytes -= bytes;
    if (oldest !== undefined) oldest.frame = undefined;
    return bytes;
  }

  /** The client is with another server now, which has its login. */
  reattach(): void {
    const again: Sent[] = [];
    for (const sent of this.#sent) {
      this.#forgotten += sent.covers;
      if (sent.isExtra) continue;
      if (sent.frame === undefined) this.#forgotten += 1;
      else again.push({ ...sent, covers: 0 });
    }
    this.#sent = again;
    for (const { frame } of again) if (frame !== undefined) this.#out.toUpstream(frame);
    // If the client's own question was not answered, it awaits what follows.
    const isOwed = this.#asked.length > 0;
    this.#asked = [];
    if (this.#document.reattach()) this.#asked.push(!isOwed);
  }

  ended(): void {
    this.#document.ended();
  }

  /** The client tells a server all that it lacks. What the gateway asks, it asks the next again. */
  #answers(frame: Uint8Array, isExtra: boolean): void {
    const covers = this.#forgotten;
    this.#forgotten = 0;
    this.#keep({ frame: isExtra ? undefined : copied(frame), isExtra, covers });
  }

  #keep(sent: Sent): void {
    if (this.#sent.length >= SENT_MAX) this.acknowledged(false);
    this.#framesBytes += sent.frame?.length ?? 0;
    this.#sent.push(sent);
  }
}

function remember(queue: boolean[], isExtra: boolean): void {
  if (queue.length < ASKED_MAX) queue.push(isExtra);
}
