// Owns: the taps of a node: how many there may be, and their end.

import type { Contract, Outcome } from "@holdfast/contract";
import { Tap, type TapNeeds, type TapOptions } from "./tap.ts";

/** Taps of a node at most; the buffers of all of them must fit its memory. */
const TAPS_MAX = 1024;

interface TapsNeeds extends TapNeeds {
  readonly contract: Pick<Contract, "resolve">;
}

export class Taps {
  readonly #parts: TapsNeeds;
  readonly #taps = new Set<Tap>();

  constructor(parts: TapsNeeds) {
    this.#parts = parts;
  }

  open(channel: string, options: TapOptions): Outcome<Tap> {
    const rules = this.#parts.contract.resolve(channel);
    if (rules === undefined)
      return {
        ok: false,
        code: "channel_unknown",
        message: `Cannot tap "${channel}": no pattern of the contract matches it`,
      };
    for (const tap of this.#taps) if (tap.phase === "ended") this.#taps.delete(tap);
    if (this.#taps.size >= TAPS_MAX)
      return {
        ok: false,
        code: "request_failed",
        message: `Cannot tap "${channel}": the node has ${TAPS_MAX} taps, expected fewer`,
      };
    const tap = new Tap(this.#parts, rules, options);
    this.#taps.add(tap);
    return { ok: true, value: tap };
  }

  close(): void {
    for (const tap of this.#taps) tap.close();
    this.#taps.clear();
  }
}
