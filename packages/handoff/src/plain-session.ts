// Owns: a client that came without a gateway, for the same handlers.
import { HandoffError } from "./handoff-error.ts";
import type { HandoffHandlers, HandoffSession } from "./handoff-session.ts";
import type { Who, Wire } from "./held-session.ts";
import { Jobs } from "./jobs.ts";

/** Messages that wait for handlers. A gateway keeps its clients below that by itself. */
const WAITING_BYTES_MAX = 1024 * 1024;
const TRY_AGAIN_LATER = 1013;
const FAILED = 1011;

export class PlainSession implements HandoffSession {
  readonly id: string;
  readonly protocol: string;
  readonly isHeld = false;
  readonly isNew = true;
  readonly ahead = 0;
  index = 0;
  state: Uint8Array | undefined;
  readonly #handlers: HandoffHandlers;
  readonly #wire: Wire;
  readonly #jobs: Jobs;
  #waitingBytes = 0;
  #isOver = false;

  constructor({ id, protocol }: Who, handlers: HandoffHandlers, wire: Wire) {
    this.id = id;
    this.protocol = protocol;
    this.#handlers = handlers;
    this.#wire = wire;
    this.#jobs = new Jobs((error) => this.#failed(error));
    if (handlers.attached !== undefined) this.#jobs.add(() => handlers.attached?.(this));
  }

  send(data: string | Uint8Array): void {
    if (!this.#isOver) this.#wire.send(data);
  }

  commit(): void {}

  skipAhead(): void {}

  saved(): Promise<void> {
    return this.#isOver
      ? Promise.reject(new HandoffError("moved", "The client is gone"))
      : Promise.resolve();
  }

  close(code?: number, reason?: string): void {
    this.#wire.close(code ?? 1000, reason ?? "");
  }

  receive(data: string | Uint8Array): void {
    if (this.#isOver) return;
    const bytes = typeof data === "string" ? 2 * data.length : data.length;
    this.#waitingBytes += bytes;
    if (this.#waitingBytes > WAITING_BYTES_MAX)
      return this.#wire.close(TRY_AGAIN_LATER, "Too much waits for the application");
    this.#jobs.add(() => {
      this.#waitingBytes -= bytes;
      this.index += 1;
      return this.#handlers.message(this, data);
    });
  }

  wasClosed(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#jobs.add(() => this.#handlers.closed?.(this, code, reason));
    this.#jobs.add(() => {
      this.#isOver = true;
      this.#handlers.left?.(this);
    });
  }

  #failed(error: unknown): void {
    this.#handlers.failed?.(this, error);
    this.#wire.close(FAILED, "The application failed");
  }
}
