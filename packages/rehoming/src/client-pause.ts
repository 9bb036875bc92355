// Owns: when a client is read no further, because too much of it waits.
import type { ClientSide } from "./ports.ts";

/** Part of the limit. */
const PAUSED_AT = 0.5;

export class ClientPause {
  readonly #client: ClientSide;
  readonly #bytesMax: number;
  #isPaused = false;

  constructor(client: ClientSide, waitingBytesMax: number) {
    this.#client = client;
    this.#bytesMax = PAUSED_AT * waitingBytesMax;
  }

  wait(bytes: number): void {
    if (bytes > this.#bytesMax) this.now();
  }

  now(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#client.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#client.resume();
  }
}
