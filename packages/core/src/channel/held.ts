// Owns: publications that came while a hub was opening, or reading missing ones. They are held
// until their place in the order is known.
import type { Publication } from "@holdfast/protocol";
import { type Outgoing, type OutgoingPage, outgoing } from "./ring.ts";

/** One publication that came, and the epoch that it was told with. */
export interface Held {
  readonly publication: Publication;
  readonly epoch: string;
}

/**
 * Most publications that are held. At the limit the oldest are dropped; the hub reads them from
 * history later.
 */
export const HELD_MAX = 1024;

export class HeldBack {
  #held: Held[] = [];

  add(publication: Publication, epoch: string): void {
    if (this.#held.length >= HELD_MAX) this.#held.shift();
    this.#held.push({ publication, epoch });
  }

  /** All of them, in the order in which they came; none are held any more. */
  take(): readonly Held[] {
    return this.#held.splice(0);
  }

  /** What is held now, to tell it from what comes later. */
  now(): ReadonlySet<Held> {
    return new Set(this.#held);
  }

  /** The history of an epoch was removed up to an offset. */
  removed(offset: number, epoch: string): void {
    this.#held = this.#held.filter(
      (held) => held.epoch !== epoch || held.publication.offset > offset,
    );
  }

  /**
   * The broker's epoch is `epoch`. What came `before` the broker was asked and has another epoch is
   * over. What came later may belong to an epoch that began since.
   */
  keepOnly(epoch: string, before: ReadonlySet<Held>): void {
    this.#held = this.#held.filter((held) => held.epoch === epoch || !before.has(held));
  }

  /** Whether something newer than `offset` is held. */
  goesOn(epoch: string, offset: number): boolean {
    return this.#held.some((held) => held.epoch === epoch && held.publication.offset > offset);
  }

  /**
   * The publications of the page and the held ones, in offset order. If the page is incomplete,
   * only held ones within its range.
   */
  joined(page: OutgoingPage): readonly Outgoing[] {
    const byOffset = new Map(page.entries.map((entry) => [entry.publication.offset, entry]));
    const end = page.complete
      ? Number.POSITIVE_INFINITY
      : (page.entries.at(-1)?.publication.offset ?? 0);
    for (const { publication, epoch } of this.#held) {
      const { offset } = publication;
      if (epoch === page.epoch && offset <= end && !byOffset.has(offset))
        byOffset.set(offset, outgoing(publication));
    }
    return [...byOffset.values()].sort((a, b) => a.publication.offset - b.publication.offset);
  }
}
