// Owns: publications that came while a hub was opening or mending, until it is known where they
// belong.
import type { Publication } from "@holdfast/protocol";
import { type Outgoing, type OutgoingPage, outgoing } from "./ring.ts";

/** One publication that came, and the epoch that it was told with. */
export interface Held {
  readonly publication: Publication;
  readonly epoch: string;
}

/**
 * Publications held back at most. The oldest are dropped at the limit: they are read from history
 * then.
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
   * The broker's epoch is `epoch`: what came `before` it was asked, with another one, is over. What
   * came later may be of an epoch that began since.
   */
  keepOnly(epoch: string, before: ReadonlySet<Held>): void {
    this.#held = this.#held.filter((held) => held.epoch === epoch || !before.has(held));
  }

  /** Whether something newer than `offset` is held. */
  goesOn(epoch: string, offset: number): boolean {
    return this.#held.some((held) => held.epoch === epoch && held.publication.offset > offset);
  }

  /**
   * What the page has and what is held, in offset order; of the latter only what lies within an
   * incomplete page.
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
