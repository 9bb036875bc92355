// Owns: a channel's recent publications in a node's memory. From them the node serves many
// returning clients without the broker.
import { type Encoded, type Publication, payloadBytes } from "@holdfast/protocol";
import type { HistoryPage } from "../ports.ts";

/** A publication as the node keeps and sends it. */
export interface Outgoing {
  readonly publication: Publication;
  /** Its frame by the number of each shared codec that somebody needed, made once. */
  readonly encoded: (Encoded | undefined)[];
  /** Size for accounting, in bytes (approximate for text). */
  readonly size: number;
}

/**
 * A page of history as it goes out: its entries keep their encoded frames, so that concurrent
 * recoveries encode once.
 */
export interface OutgoingPage extends Omit<HistoryPage, "publications"> {
  readonly entries: readonly Outgoing[];
  /**
   * False if there is more to read: the read stopped at its limit, or before an offset that is not
   * kept.
   */
  readonly complete: boolean;
}

/** A publication that is not encoded yet. */
export const outgoing = (publication: Publication): Outgoing => ({
  publication,
  encoded: [],
  size: payloadBytes(publication.payload) + (publication.meta?.length ?? 0) + FRAME_BYTES,
});

/** How many entries there are up to the last one that was not published after `afterMs`. */
export function olderThan(entries: readonly Outgoing[], afterMs: number): number {
  return entries.findLastIndex(({ publication: { timeMs } }) => timeMs <= afterMs) + 1;
}

/** What a frame adds to the data, roughly. */
const FRAME_BYTES = 96;

/**
 * Recent publications in offset order, bounded by count and bytes; the oldest go first. `covers` is
 * exact: it is true only if every publication that the node passed on after `offset` is still here.
 */
export class Ring {
  readonly #entries: Outgoing[] = [];
  #start = 0;
  #bytes = 0;
  /** Everything after this offset is here. */
  #floor: number;

  constructor(floor: number) {
    this.#floor = floor;
  }

  get size(): number {
    return this.#entries.length - this.#start;
  }

  /** The last entry; undefined if there is none. */
  get newest(): Outgoing | undefined {
    return this.size === 0 ? undefined : this.#entries.at(-1);
  }

  push(entry: Outgoing, countMax: number, bytesMax: number): void {
    this.#entries.push(entry);
    this.#bytes += entry.size;
    while (this.size > countMax || (this.#bytes > bytesMax && this.size > 0)) this.#shift();
    if (this.#start > 32 && this.#start * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#start);
      this.#start = 0;
    }
  }

  covers(offset: number): boolean {
    return offset >= this.#floor;
  }

  /** Forgets everything up to the offset, the offset included. */
  forget(offset: number): void {
    while (this.size > 0 && (this.#entries[this.#start] as Outgoing).publication.offset <= offset) {
      this.#shift();
    }
    this.#floor = Math.max(this.#floor, offset);
  }

  /** Forgets everything; `floor` is the newest offset that was passed on. */
  reset(floor: number): void {
    this.#entries.length = 0;
    this.#start = 0;
    this.#bytes = 0;
    this.#floor = floor;
  }

  /**
   * Entries with an offset above `offset`, oldest first, at least one if there is any, until
   * `bytesMax` is reached.
   */
  after(offset: number, bytesMax: number): readonly Outgoing[] {
    let low = this.#start;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] as Outgoing).publication.offset <= offset) low = middle + 1;
      else high = middle;
    }
    const result: Outgoing[] = [];
    for (let bytes = 0; low < this.#entries.length && bytes < bytesMax; low++) {
      const entry = this.#entries[low] as Outgoing;
      result.push(entry);
      bytes += entry.size;
    }
    return result;
  }

  #shift(): void {
    const entry = this.#entries[this.#start] as Outgoing;
    (this.#entries as (Outgoing | undefined)[])[this.#start] = undefined;
    this.#start += 1;
    this.#bytes -= entry.size;
    this.#floor = entry.publication.offset;
  }
}
