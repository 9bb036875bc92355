// Owns: the link that the engine sees: what waits for acknowledgements counts as unsent, and both
// the engine and the door may stop the reading.
import type { Link } from "@holdfast/core";

/** RFC 6455: an ordinary end, for MQTT over WebSocket; over TCP there are no codes. */
const CLOSE_NORMAL = 1000;

export class MqttLink implements Link {
  readonly address: string;
  readonly #inner: Link;
  readonly #waitingBytes: () => number;
  #isPaused = false;
  #byEngine = false;
  #byDoor = false;

  constructor(inner: Link, waitingBytes: () => number) {
    this.#inner = inner;
    this.#waitingBytes = waitingBytes;
    this.address = inner.address;
  }

  send(message: string | Uint8Array): "sent" | "queued" | "closed" {
    const result = message.length === 0 ? "sent" : this.#inner.send(message);
    return result === "sent" && this.#waitingBytes() > 0 ? "queued" : result;
  }

  bufferedBytes(): number {
    return this.#inner.bufferedBytes() + this.#waitingBytes();
  }

  pause(): void {
    this.#byEngine = true;
    this.#apply();
  }

  resume(): void {
    this.#byEngine = false;
    this.#apply();
  }

  /** The door has enough to do with what it has read. */
  hold(isHeld: boolean): void {
    this.#byDoor = isHeld;
    this.#apply();
  }

  close(_code: number, reason: string): void {
    this.#inner.close(CLOSE_NORMAL, reason);
  }

  cut(): void {
    this.#inner.cut();
  }

  // No fan-out of the transport: each client has packet identifiers of its own.
  join(): void {}
  leave(): void {}

  #apply(): void {
    const isPaused = this.#byEngine || this.#byDoor;
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#inner.pause();
    else this.#inner.resume();
  }
}
