// Owns: a reader of `/events` by fetch that behaves as the HTML standard has EventSource behave: it
// comes back after `retry` with its last id. Its parser shares nothing with the node.
export interface ReaderEvent {
  readonly event: string;
  readonly id: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it.
  readonly data: any;
}

export interface ReaderOptions {
  readonly headers?: () => Record<string, string>;
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds before it comes back, if no stream said another. */
  readonly retryMs?: number;
  /** A stream that a proxy answered with an error: EventSource gives up, other readers go on. */
  readonly givesUp?: boolean;
}

/** `urls` gives the address of each attempt. */
export class EventReader {
  readonly events: ReaderEvent[] = [];
  readonly comments: string[] = [];
  readonly statuses: number[] = [];
  lastId = "";
  retryMs: number;
  attempts = 0;
  /** Streams that ended behind a whole event. */
  cleanEnds = 0;
  readonly #urls: () => string;
  readonly #options: ReaderOptions;
  readonly #stop = new AbortController();
  readonly done: Promise<void>;

  constructor(urls: () => string, options: ReaderOptions = {}) {
    this.#urls = urls;
    this.#options = options;
    this.retryMs = options.retryMs ?? 50;
    this.done = this.#run();
  }

  of(event: string): readonly ReaderEvent[] {
    return this.events.filter((one) => one.event === event);
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const ask = this.#options.fetch ?? fetch;
    while (!signal.aborted) {
      this.attempts += 1;
      try {
        const response = await ask(this.#urls(), {
          headers: {
            accept: "text/event-stream",
            ...this.#options.headers?.(),
            ...(this.lastId === "" ? {} : { "last-event-id": this.lastId }),
          },
          signal,
        });
        this.statuses.push(response.status);
        if (response.status === 200 && response.body !== null) await this.#read(response.body);
        else {
          await response.body?.cancel();
          if (this.#options.givesUp === true) return;
        }
      } catch {
        if (signal.aborted) return;
      }
      await Bun.sleep(this.retryMs);
    }
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let buffer = "";
    for await (const chunk of body) {
      buffer += decoder.decode(chunk, { stream: true });
      for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
        this.#block(buffer.slice(0, end));
        buffer = buffer.slice(end + 2);
      }
    }
    if (buffer === "") this.cleanEnds += 1;
  }

  #block(block: string): void {
    let [event, data] = ["message", ""];
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      const [field, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
      if (field === "") this.comments.push(value);
      else if (field === "id") this.lastId = value;
      else if (field === "event") event = value;
      else if (field === "data") data += value;
      else if (field === "retry") this.retryMs = Number(value);
    }
    if (data !== "") this.events.push({ event, id: this.lastId, data: JSON.parse(data) });
  }
}
