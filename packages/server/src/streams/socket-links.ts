// Owns: connections of holdfast.v1 over HTTP as the engine's links: a stream of events, or messages
// that wait for polls (spec/http.md).
import type { Link } from "@holdfast/core";
import { StreamLink, type StreamLinkOptions } from "./stream-link.ts";

/** Links that a large room reaches with one call. */
export interface LinkGroups {
  join(group: string, link: Pick<Link, "send">): void;
  leave(group: string, link: Pick<Link, "send">): void;
}

/** What both kinds have beside a link. */
export interface SocketLink extends Link {
  /** The engine does not read now: `whenReadable` resolves when it does, or the link has ended. */
  whenReadable(): Promise<void>;
  /** The client said that it leaves. */
  readonly isOver: boolean;
}

/** Pausing and groups, which both kinds have. */
abstract class Pausable {
  readonly #groups: LinkGroups;
  readonly #joined = new Set<string>();
  #paused: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(groups: LinkGroups) {
    this.#groups = groups;
  }

  pause(): void {
    this.#paused ??= Promise.withResolvers<void>();
  }

  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  async whenReadable(): Promise<void> {
    while (this.#paused !== undefined) await this.#paused.promise;
  }

  join(group: string): void {
    this.#joined.add(group);
    this.#groups.join(group, this as unknown as Link);
  }

  leave(group: string): void {
    this.#joined.delete(group);
    this.#groups.leave(group, this as unknown as Link);
  }

  protected release(): void {
    for (const group of this.#joined) this.#groups.leave(group, this as unknown as Link);
    this.#joined.clear();
    this.resume();
  }
}

/** Some proxies pass nothing on before they have two kilobytes. */
const PADDING = `:${" ".repeat(2_048)}\n\n`;

/** Between the padding and the first event, so that they are not one write. */
const OPEN_MS = 20;

/** One answer that lasts: each message is an event. */
export class StreamSocketLink extends Pausable implements SocketLink {
  readonly address: string;
  readonly #stream: StreamLink;

  constructor(
    id: string,
    { groups, onGone, ...options }: StreamLinkOptions & { readonly groups: LinkGroups },
  ) {
    super(groups);
    this.address = options.address;
    this.#stream = new StreamLink({
      ...options,
      onGone: (isClean) => {
        this.release();
        onGone(isClean);
      },
    });
    this.#stream.send(PADDING);
    // By itself: where it arrives, later small messages do as well.
    setTimeout(
      () => this.#stream.send(`event: open\ndata: ${JSON.stringify({ id })}\n\n`),
      OPEN_MS,
    );
  }

  get body(): ReadableStream<Uint8Array> {
    return this.#stream.body;
  }

  get isOver(): boolean {
    return this.#stream.isGone;
  }

  get lastSentMs(): number {
    return this.#stream.lastSentMs;
  }

  send(message: string | Uint8Array): "sent" | "queued" | "closed" {
    return this.#stream.send(eventOf(message));
  }

  heartbeat(): void {
    if (this.#stream.bufferedBytes() === 0) this.#stream.send(": alive\n\n");
  }

  bufferedBytes(): number {
    return this.#stream.bufferedBytes();
  }

  close(code: number, reason: string): void {
    this.#stream.send(`event: close\ndata: ${JSON.stringify({ code, reason })}\n\n`);
    this.#stream.close();
  }

  cut(): void {
    this.#stream.cut();
  }
}

/** Frames are lines of a message, and lines of an event's data. Bytes come as base64. */
const eventOf = (message: string | Uint8Array): string =>
  typeof message === "string"
    ? `data: ${message.replaceAll("\n", "\ndata: ")}\n\n`
    : `event: bytes\ndata: ${base64(message)}\n\n`;

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");

/** What a poll answers. */
export interface Polled {
  /** Number of the first message. */
  readonly first: number;
  /** Texts, or bytes as `{ b }`. */
  readonly messages: readonly (string | { readonly b: string })[];
  readonly close?: { readonly code: number; readonly reason: string };
}

interface Kept {
  readonly text: string | { readonly b: string };
  readonly length: number;
}

export interface PollLinkOptions {
  readonly address: string;
  readonly groups: LinkGroups;
  readonly onRoom: () => void;
  readonly onGone: (isClean: boolean) => void;
}

/** Messages wait until a poll has confirmed them: a lost answer loses none. */
export class PollLink extends Pausable implements SocketLink {
  readonly address: string;
  readonly #options: PollLinkOptions;
  #kept: Kept[] = [];
  #length = 0;
  /** Number of the first that is kept. */
  #first = 1;
  #close: Polled["close"];
  #isGone = false;
  #wake: () => void = () => {};
  /** When a poll last came, or was answered. */
  lastPollMs = performance.now();
  /** A poll waits. */
  isPolled = false;

  constructor(options: PollLinkOptions) {
    super(options.groups);
    this.#options = options;
    this.address = options.address;
  }

  get isOver(): boolean {
    return this.#isGone;
  }

  send(message: string | Uint8Array): "sent" | "queued" | "closed" {
    if (this.#isGone || this.#close !== undefined) return "closed";
    if (message.length === 0) return "sent";
    const text = typeof message === "string" ? message : { b: base64(message) };
    this.#kept.push({ text, length: message.length });
    this.#length += message.length;
    this.#wake();
    return "queued";
  }

  bufferedBytes(): number {
    return this.#length;
  }

  /** The next poll is told. */
  close(code: number, reason: string): void {
    this.#close ??= { code, reason };
    this.#wake();
  }

  cut(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#kept = [];
    this.#length = 0;
    this.#wake();
    this.release();
    this.#options.onGone(false);
  }

  /**
   * The client has every message before `next`. Resolves when there are others, at the latest after
   * `waitMs`. A later poll takes the place of one that waits.
   */
  async poll(next: number, waitMs: number, lengthMax: number): Promise<Polled> {
    this.#wake();
    this.#confirm(next);
    this.lastPollMs = performance.now();
    if (this.#kept.length === 0 && this.#close === undefined && !this.#isGone) {
      this.isPolled = true;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        this.#wake = () => {
          clearTimeout(timer);
          // What comes in this turn goes with it.
          setTimeout(resolve, GATHER_MS);
        };
      });
      this.isPolled = false;
      this.lastPollMs = performance.now();
    }
    return this.#answer(lengthMax);
  }

  #confirm(next: number): void {
    const count = Math.min(this.#kept.length, Math.max(0, next - this.#first));
    if (count === 0) return;
    for (const { length } of this.#kept.splice(0, count)) this.#length -= length;
    this.#first += count;
    this.#options.onRoom();
  }

  #answer(lengthMax: number): Polled {
    const messages: Kept["text"][] = [];
    let length = 0;
    for (const kept of this.#kept) {
      length += kept.length;
      if (messages.length > 0 && length > lengthMax) break;
      messages.push(kept.text);
    }
    const isAll = messages.length === this.#kept.length;
    const gone = this.#isGone ? { code: 1006, reason: "" } : this.#close;
    const close = isAll && gone !== undefined ? { close: gone } : {};
    return { first: this.#first, messages, ...close };
  }
}

const GATHER_MS = 2;
