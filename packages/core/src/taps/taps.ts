// Owns: the taps of a node: how many there may be, and their end.

import type { Contract, Outcome } from "@holdfast/contract";
import type { Observer } from "../observer.ts";
import type { NodeSettings } from "../settings.ts";
import type { TapConsumer } from "./batches.ts";
import { Tap, type TapNeeds, type TapOptions } from "./tap.ts";

/** Taps of a node at most; the buffers of all of them must fit its memory. */
const TAPS_MAX = 1024;
/** Bytes that all taps together may hold: of each its buffer, and a chunk of a recovery. */
const TAPS_BYTES_MAX = 64 * 1024 * 1024;

interface TapsNeeds extends TapNeeds {
  readonly contract: Pick<Contract, "resolve">;
  readonly observer: Pick<Observer, "taps" | "tapFailed">;
  settings(): Pick<NodeSettings, "flow">;
}

/** Of all taps of a node. */
export interface TapFigures {
  /** Publications that they have yet to deal with. */
  readonly lag: number;
  /** Bytes that they hold. */
  readonly bytes: number;
}

export class Taps {
  readonly #parts: TapsNeeds;
  readonly #taps = new Set<Tap>();
  /** What they may hold. */
  #bytes = 0;

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
    const { chunkBytes } = this.#parts.settings().flow;
    const bytes = options.bufferBytesMax + chunkBytes;
    if (this.#taps.size >= TAPS_MAX)
      return this.#refused(channel, `the node has ${TAPS_MAX} taps, expected fewer`);
    if (!(this.#bytes + bytes <= TAPS_BYTES_MAX)) {
      const free = TAPS_BYTES_MAX - this.#bytes;
      return this.#refused(channel, `it may hold ${bytes} bytes, expected at most ${free}`);
    }
    const onClosed = (): void => {
      this.#taps.delete(tap);
      this.#bytes -= bytes;
      this.#parts.observer.taps(-1);
    };
    const consumer = this.#counted(options.consumer);
    const tap = new Tap(this.#parts, rules, { ...options, consumer, onClosed });
    this.#taps.add(tap);
    this.#bytes += bytes;
    this.#parts.observer.taps(1);
    return { ok: true, value: tap };
  }

  figures(): TapFigures {
    let [lag, bytes] = [0, 0];
    for (const tap of this.#taps) {
      lag += tap.lag;
      bytes += tap.bufferedBytes;
    }
    return { lag, bytes };
  }

  #refused(channel: string, why: string): Outcome<Tap> {
    this.#parts.observer.tapFailed("refused");
    return { ok: false, code: "request_failed", message: `Cannot tap "${channel}": ${why}` };
  }

  /** The same consumer; what goes wrong is counted. */
  #counted(consumer: TapConsumer): TapConsumer {
    const { observer } = this.#parts;
    return {
      handle: (batch) => {
        const gaps = batch.events.filter(({ kind }) => kind === "gap");
        if (batch.attempt === 1) for (const _ of gaps) observer.tapFailed("gap");
        return consumer.handle(batch);
      },
      failed: (why, attempt, error) => {
        observer.tapFailed(why);
        consumer.failed?.(why, attempt, error);
      },
    };
  }

  close(): void {
    for (const tap of [...this.#taps]) tap.close();
  }
}
