// Owns: a node's requests on the broker link that have no answer yet.
import { BrokerError, type Clock } from "@holdfast/core";
import { count, LINK, type LinkMessage, readError } from "./link-wire.ts";

interface Request {
  readonly dueMs: number;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: BrokerError) => void;
}

export interface LinkRequestsOptions {
  readonly clock: Clock;
  /** How long an answer may take. */
  readonly timeoutMs: number;
  /** Most requests without an answer. At the limit `isFull` is true. */
  readonly countMax: number;
}

/**
 * Requests by id. All have the same time limit, so the oldest ends first and one timer is enough.
 * An answer that comes too late is ignored.
 */
export class LinkRequests {
  readonly #options: LinkRequestsOptions;
  readonly #waiting = new Map<number, Request>();
  #lastId = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(options: LinkRequestsOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#waiting.size >= this.#options.countMax;
  }

  /** Gives `send` a new id and waits for the answer to it. */
  make(send: (id: number) => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#lastId = this.#lastId >= 2 ** 31 ? 1 : this.#lastId + 1;
      this.#waiting.set(this.#lastId, {
        dueMs: this.#options.clock.nowMs() + this.#options.timeoutMs,
        resolve,
        reject,
      });
      this.#cancelTimer ??= this.#options.clock.after(this.#options.timeoutMs, () =>
        this.#expire(),
      );
      send(this.#lastId);
    });
  }

  /** Settles the request that an `ok` or `failed` answers. */
  settle([type, idField, result, description]: LinkMessage): void {
    const id = count(idField);
    const request = this.#waiting.get(id);
    if (request === undefined) return;
    this.#waiting.delete(id);
    if (type === LINK.ok) request.resolve(result);
    else request.reject(readError(result, description));
  }

  /** Rejects everything that waits. */
  failAll(error: BrokerError): void {
    const requests = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (const request of requests) request.reject(error);
  }

  #expire(): void {
    const nowMs = this.#options.clock.nowMs();
    this.#cancelTimer = undefined;
    for (const [id, request] of this.#waiting) {
      if (request.dueMs > nowMs) {
        this.#cancelTimer = this.#options.clock.after(request.dueMs - nowMs, () => this.#expire());
        return;
      }
      this.#waiting.delete(id);
      request.reject(
        new BrokerError(
          "timeout",
          `the broker did not answer within ${this.#options.timeoutMs} ms`,
        ),
      );
    }
  }
}
