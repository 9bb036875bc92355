// Owns: the bytes of one stream: read from its source only as the reader takes them, with signs of
// life, and with a last event whatever ends it.
import type { StreamEvent, StreamFormat } from "./format.ts";

/** Text is handed to the socket in parts of about this size. */
export const CHUNK_BYTES = 64 * 1024;

export interface BodyTimes {
  /** A source that is silent for this long is bridged by a sign of life. */
  readonly aliveMs: number;
  /** The stream of a reader that takes nothing for this long ends. */
  readonly stalledMs: number;
}

/** `left`: the client went. `stalled`: it took nothing. `failed`: an `error` event told why. */
export type StreamEnd = "complete" | "failed" | "draining" | "left" | "stalled";

export interface StreamBody {
  readonly bytes: ReadableStream<Uint8Array>;
  /** Ends it with this event, behind what was handed over already. */
  end(last: StreamEvent, why: "draining"): void;
}

/**
 * Batches of events, each bounded by its maker. The last event of all has to say how it ended.
 * `return` is called if nobody wants the rest.
 */
export type StreamSource = AsyncIterator<Iterable<StreamEvent>>;

export interface BodyParts {
  readonly source: StreamSource;
  readonly format: StreamFormat;
  readonly times: BodyTimes;
  /** What the reader is told if the source throws. */
  readonly onError: (error: unknown) => StreamEvent;
  readonly onBytes: (bytes: number) => void;
  /** Called once. */
  readonly onEnd: (why: StreamEnd) => void;
}

export function createStreamBody(parts: BodyParts): StreamBody {
  const running = new Running(parts);
  const bytes = new ReadableStream<Uint8Array>(
    {
      start: (controller) => running.start(controller),
      pull: () => running.pull(),
      cancel: () => running.finish("left"),
    },
    // Nothing is read ahead of the reader: what waits is one chunk.
    { highWaterMark: 0 },
  );
  return { bytes, end: (last, why) => running.end(last, why) };
}

type Next = IteratorResult<Iterable<StreamEvent>> | { readonly error: unknown };

class Running {
  readonly #parts: BodyParts;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #batch: Iterator<StreamEvent> | undefined;
  /** A read of the source that outlived a pull. */
  #pending: Promise<Next> | undefined;
  #stalled: ReturnType<typeof setTimeout> | undefined;
  #over = false;
  #lastEvent = "";
  readonly #ended: Promise<"over">;
  #wake: () => void = () => {};

  constructor(parts: BodyParts) {
    this.#parts = parts;
    this.#ended = new Promise((resolve) => {
      this.#wake = () => resolve("over");
    });
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
    this.#watchReader();
  }

  /** One chunk: of the batch under way, or of the next one. */
  async pull(): Promise<void> {
    clearTimeout(this.#stalled);
    try {
      while (!this.#over) {
        const text = this.#ofBatch();
        if (text !== "") return this.#give(text);
        const next = await this.#next();
        if (next === "over") return;
        if (next === "silent") return this.#give(this.#parts.format.alive);
        if ("error" in next) throw next.error;
        if (next.done === true)
          return this.#close(undefined, this.#lastEvent === "error" ? "failed" : "complete");
        this.#batch = next.value[Symbol.iterator]();
      }
    } catch (error) {
      if (!this.#over) this.#close(this.#parts.onError(error), "failed");
    }
  }

  #ofBatch(): string {
    let text = "";
    while (this.#batch !== undefined && text.length < CHUNK_BYTES) {
      const { done, value } = this.#batch.next();
      if (done === true) this.#batch = undefined;
      else {
        this.#lastEvent = value.event;
        text += this.#parts.format.render(value);
      }
    }
    return text;
  }

  end(last: StreamEvent, why: "draining"): void {
    if (!this.#over) this.#close(last, why);
  }

  /** Lets go of the source; nothing is written any more. */
  finish(why: StreamEnd): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#stalled);
    this.#batch = undefined;
    this.#wake();
    // A source may be in the middle of a read: it ends behind it.
    this.#parts.source.return?.().catch(() => {});
    this.#parts.onEnd(why);
  }

  #close(last: StreamEvent | undefined, why: StreamEnd): void {
    if (last !== undefined) this.#give(this.#parts.format.render(last));
    clearTimeout(this.#stalled);
    this.#controller?.close();
    this.finish(why);
  }

  #give(text: string): void {
    const bytes = ENCODER.encode(text);
    this.#parts.onBytes(bytes.length);
    this.#controller?.enqueue(bytes);
    this.#watchReader();
  }

  #watchReader(): void {
    clearTimeout(this.#stalled);
    this.#stalled = setTimeout(() => {
      // Without a last event, which nobody would read. The listener cuts the connection.
      this.#close(undefined, "stalled");
    }, this.#parts.times.stalledMs);
  }

  async #next(): Promise<Next | "silent" | "over"> {
    this.#pending ??= this.#parts.source.next().catch((error: unknown) => ({ error }));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silent = new Promise<"silent">((resolve) => {
      timer = setTimeout(resolve, this.#parts.times.aliveMs, "silent");
    });
    try {
      const found = await Promise.race([this.#pending, silent, this.#ended]);
      if (typeof found !== "string") this.#pending = undefined;
      return found;
    } finally {
      clearTimeout(timer);
    }
  }
}

const ENCODER = new TextEncoder();
