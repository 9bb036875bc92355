// Owns: the body of one answer as the engine's Link: text waits here until the network takes it.
import type { Link } from "@holdfast/core";

/** What is handed to the network at once, in UTF-16 code units. */
const CHUNK_LENGTH = 64 * 1024;
const ENCODER = new TextEncoder();

export interface StreamLinkOptions {
  readonly address: string;
  /** Everything that waited was taken. Never called inside `send`. */
  readonly onRoom: () => void;
  /** Called once, when nothing more can be sent. `isClean`: the stream ended in order. */
  readonly onGone: (isClean: boolean) => void;
  readonly onBytes: (bytes: number) => void;
  /** Something was sent and waits. */
  readonly onWaiting: () => void;
}

/**
 * The engine bounds what waits: over `flow.lagBytes` it stops writing publications, and over
 * `flow.queueBytesMax` it ends the connection. Nothing that was accepted is left out before
 * something that was accepted later.
 */
export class StreamLink implements Link {
  readonly address: string;
  readonly body: ReadableStream<Uint8Array>;
  /** When something was last handed to the network. */
  lastSentMs: number;
  readonly #options: StreamLinkOptions;
  #waiting: string[] = [];
  #waitingLength = 0;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** The network wants more than there is. */
  #wanted: (() => void) | undefined;
  /** Somebody was told "queued", and not yet that there is room again. */
  #hasWaited = false;
  #isClosing = false;
  #isGone = false;

  constructor(options: StreamLinkOptions) {
    this.#options = options;
    this.address = options.address;
    this.lastSentMs = performance.now();
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#pull(),
        cancel: () => this.#gone(false),
      },
      // Nothing is read ahead of the network: what waits is counted here.
      { highWaterMark: 0 },
    );
  }

  /** What was sent and not taken. */
  get waiting(): readonly string[] {
    return this.#waiting;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  send(message: string | Uint8Array): "sent" | "queued" | "closed" {
    if (this.#isGone || this.#isClosing) return "closed";
    if (message.length === 0) return "sent";
    const text = typeof message === "string" ? message : new TextDecoder().decode(message);
    this.#waiting.push(text);
    this.#waitingLength += text.length;
    const wanted = this.#wanted;
    if (wanted === undefined) {
      this.#hasWaited = true;
      this.#options.onWaiting();
      return "queued";
    }
    this.#give();
    wanted();
    if (this.#waitingLength === 0) return "sent";
    this.#hasWaited = true;
    return "queued";
  }

  bufferedBytes(): number {
    return this.#waitingLength;
  }

  /** A reader says nothing. */
  pause(): void {}
  resume(): void {}
  join(): void {}
  leave(): void {}

  /** The stream ends behind everything that was sent. */
  close(): void {
    if (this.#isGone || this.#isClosing) return;
    this.#isClosing = true;
    if (this.#waitingLength > 0) return;
    this.#end();
    this.#wanted?.();
  }

  /** Ends at once: what waits is not sent. */
  cut(): void {
    if (this.#isGone) return;
    this.#end();
    this.#wanted?.();
  }

  #pull(): Promise<void> | undefined {
    if (this.#isGone) return undefined;
    if (this.#waitingLength > 0) {
      this.#give();
      return undefined;
    }
    return new Promise((resolve) => {
      this.#wanted = () => {
        this.#wanted = undefined;
        resolve();
      };
    });
  }

  #give(): void {
    const text = this.#take();
    const bytes = ENCODER.encode(text);
    this.lastSentMs = performance.now();
    this.#options.onBytes(bytes.length);
    this.#controller?.enqueue(bytes);
    if (this.#waitingLength > 0) return;
    if (this.#isClosing) return this.#end();
    if (!this.#hasWaited) return;
    this.#hasWaited = false;
    queueMicrotask(() => this.#options.onRoom());
  }

  /** Whole messages, up to a chunk; at least one. */
  #take(): string {
    if (this.#waitingLength <= CHUNK_LENGTH) {
      const text = this.#waiting.join("");
      this.#waiting = [];
      this.#waitingLength = 0;
      return text;
    }
    let count = 0;
    let length = 0;
    do length += this.#waiting[count++]?.length ?? 0;
    while (
      count < this.#waiting.length &&
      length + (this.#waiting[count]?.length ?? 0) <= CHUNK_LENGTH
    );
    this.#waitingLength -= length;
    return this.#waiting.splice(0, count).join("");
  }

  #end(): void {
    this.#controller?.close();
    this.#gone(true);
  }

  #gone(isClean: boolean): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#waiting = [];
    this.#waitingLength = 0;
    this.#wanted?.();
    this.#options.onGone(isClean);
  }
}
