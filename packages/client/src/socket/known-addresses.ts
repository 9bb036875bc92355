// Owns: what a page has learned about addresses: whether a gateway speaks there.
import type { Known } from "./socket-ports.ts";

/** Addresses that are remembered; the oldest is forgotten first. */
const ADDRESSES_MAX = 32;
/** What stands at an address may change. */
const KNOWN_MS = 300_000;

export class KnownAddresses {
  readonly #known = new Map<string, { readonly known: Known; readonly untilMs: number }>();

  get(address: string, nowMs: number): Known | undefined {
    const found = this.#known.get(address);
    return found === undefined || found.untilMs < nowMs ? undefined : found.known;
  }

  set(address: string, known: Known, nowMs: number): void {
    this.#known.delete(address);
    this.#known.set(address, { known, untilMs: nowMs + KNOWN_MS });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= ADDRESSES_MAX) return;
      this.#known.delete(oldest);
    }
  }
}
