// Owns: what is known of one namespace that a Socket.IO client has joined.
import { bytesOf, type Frame } from "../frame.ts";
import {
  CONNECT,
  DISCONNECT,
  frameOf,
  objectOf,
  offsetOf,
  type Packet,
} from "./socketio-packet.ts";

const NAMESPACE_BYTES = 256;
const UNANSWERED_BYTES = 64;

/** What another gateway must know of a namespace. */
export interface SavedNamespace {
  readonly name: string;
  readonly auth: Readonly<Record<string, unknown>>;
  readonly isConnected: boolean;
  readonly session: string | undefined;
  readonly offset: string | undefined;
  readonly firstQuestion: number;
  readonly nextQuestion: number;
  /** Ids, and how many frames each has. */
  readonly unanswered: readonly (readonly [id: number, frames: number])[];
  readonly frames: readonly Frame[];
}

export class Namespace {
  readonly name: string;
  /** The client's own words: its login. */
  readonly #auth: Readonly<Record<string, unknown>>;
  readonly #authBytes: number;
  isConnected = false;
  /** Names the session at servers that keep it for a while. */
  #session: string | undefined;
  /** Of the last event that the client got. */
  #offset: string | undefined;
  /** Events of the client without an answer, as they were sent. Empty: never to be sent again. */
  readonly #unanswered = new Map<number, readonly Frame[]>();
  #framesBytes = 0;
  /** Each server counts its questions from 0. The client hears higher numbers after a move. */
  #firstQuestion = 0;
  #nextQuestion = 0;

  constructor({ namespace, data }: Packet) {
    this.name = namespace;
    this.#auth = objectOf(data);
    this.#authBytes = bytesOf(data);
    const { pid, offset } = this.#auth;
    if (typeof pid === "string") this.#session = pid;
    if (typeof offset === "string") this.#offset = offset;
  }

  /** As `restore` wants it: what is known, and the frames of events without an answer. */
  save(): SavedNamespace {
    return {
      ...{ name: this.name, auth: this.#auth, isConnected: this.isConnected },
      ...{ session: this.#session, offset: this.#offset },
      ...{ firstQuestion: this.#firstQuestion, nextQuestion: this.#nextQuestion },
      unanswered: [...this.#unanswered].map(([id, { length }]) => [id, length]),
      frames: [...this.#unanswered.values()].flat(),
    };
  }

  restore({ frames, ...saved }: SavedNamespace): void {
    this.isConnected = saved.isConnected;
    this.#session = saved.session;
    this.#offset = saved.offset;
    this.#firstQuestion = saved.firstQuestion;
    this.#nextQuestion = saved.nextQuestion;
    let at = 0;
    for (const [id, length] of saved.unanswered) {
      this.asks(id, frames.slice(at, at + length));
      at += length;
    }
  }

  get bytes(): number {
    const unanswered = UNANSWERED_BYTES * this.#unanswered.size;
    return NAMESPACE_BYTES + this.#authBytes + unanswered + this.#framesBytes;
  }

  /** Of events that would be sent again. */
  get framesBytes(): number {
    return this.#framesBytes;
  }

  get unanswered(): number {
    return this.#unanswered.size;
  }

  /** The next server may know the session, and what the client missed. */
  get mayBeRecovered(): boolean {
    return this.#session !== undefined && this.#offset !== undefined;
  }

  /** For the next server. */
  get connect(): string {
    const session = this.#session === undefined ? {} : { pid: this.#session, offset: this.#offset };
    const auth = { ...this.#auth, ...session };
    const data = Object.keys(auth).length === 0 ? "" : JSON.stringify(auth);
    return frameOf({ type: CONNECT, attachments: 0, namespace: this.name, id: undefined, data });
  }

  /** Whether a server that joins the client so knew the session. */
  isRecovered(data: string): boolean {
    const { pid } = objectOf(data);
    return typeof pid === "string" && pid === this.#session;
  }

  /** True: the server knew the session. */
  connected(data: string): boolean {
    const { pid } = objectOf(data);
    const isRecovered = this.isRecovered(data);
    if (!isRecovered) this.#offset = undefined;
    this.#session = typeof pid === "string" ? pid : undefined;
    this.isConnected = true;
    return isRecovered;
  }

  /** For the next server, which is to forget the client again. */
  get disconnect(): string {
    const { name: namespace } = this;
    return frameOf({ type: DISCONNECT, attachments: 0, namespace, id: undefined, data: "" });
  }

  /** An event of the client wants an answer. `frames`: what is sent again if it gets none. */
  asks(id: number, frames: readonly Frame[]): void {
    this.answered(id);
    this.#unanswered.set(id, frames);
    for (const frame of frames) this.#framesBytes += bytesOf(frame);
  }

  answered(id: number | undefined): void {
    if (id === undefined) return;
    for (const frame of this.#unanswered.get(id) ?? []) this.#framesBytes -= bytesOf(frame);
    this.#unanswered.delete(id);
  }

  /** What is to be sent again. `lost`: events without an answer that are forgotten. */
  takeUnanswered(): { readonly again: readonly Frame[]; readonly lost: number } {
    const all = [...this.#unanswered];
    const lost = all.filter(([, frames]) => frames.length === 0);
    for (const [id] of lost) this.answered(id);
    return { again: all.flatMap(([, frames]) => frames), lost: lost.length };
  }

  /** An event of the server, as the client is to hear it. */
  event(packet: Packet): Packet {
    if (packet.id === undefined) {
      if (this.#session !== undefined) this.#offset = offsetOf(packet.data) ?? this.#offset;
      return packet;
    }
    const id = packet.id + this.#firstQuestion;
    this.#nextQuestion = Math.max(this.#nextQuestion, id + 1);
    return { ...packet, id };
  }

  /** The client's answer, as the server is to hear it. Undefined: another server had asked. */
  answer(packet: Packet): Packet | undefined {
    const id = (packet.id ?? -1) - this.#firstQuestion;
    return id < 0 ? undefined : { ...packet, id };
  }

  moved(): void {
    this.#firstQuestion = this.#nextQuestion;
  }
}
