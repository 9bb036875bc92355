// Owns: how long deliveries paused around a client's move, beside clients that stayed where they
// were in the same moments. A machine that is busy, or taken away for a while, delays both alike:
// what is above those who stayed is the moving's.
import type { Histogram } from "hdr-histogram-js";
import { newHistogram, record } from "./figures.ts";

/** A move is seen from its new socket on: so long before and after it. */
const BEFORE_MS = 250;
const AFTER_MS = 1750;
/** Of one client in one step; a step of five minutes has some thousand. */
const DELIVERIES_MAX = 20_000;

/** What one client received in a step, and when it opened sockets. */
export class ClientTimes {
  readonly #arrivals: { readonly atMs: number; readonly transitMs: number }[] = [];
  readonly #socketsMs: number[] = [];

  begin(): void {
    this.#arrivals.length = 0;
    this.#socketsMs.length = 0;
  }

  opened(atMs: number): void {
    if (this.#socketsMs.length < DELIVERIES_MAX) this.#socketsMs.push(atMs);
  }

  /** `transitMs`: from the broker's taking it. */
  arrived(atMs: number, transitMs: number): void {
    if (this.#arrivals.length < DELIVERIES_MAX) this.#arrivals.push({ atMs, transitMs });
  }

  /** Of each move; attempts that follow each other closely are one. */
  movesMs(): readonly number[] {
    return this.#socketsMs.filter(
      (atMs, place) => place === 0 || atMs - (this.#socketsMs[place - 1] ?? 0) > AFTER_MS,
    );
  }

  /** Whether its own move disturbs what is seen around that time. */
  isMoving(atMs: number): boolean {
    return this.#socketsMs.some((own) => Math.abs(own - atMs) <= BEFORE_MS + AFTER_MS);
  }

  /** The longest transit of what arrived around that time; undefined if nothing did. */
  longestAround(atMs: number): number | undefined {
    let longest: number | undefined;
    for (const { atMs: arrivedMs, transitMs } of this.#arrivals)
      if (arrivedMs >= atMs - BEFORE_MS && arrivedMs <= atMs + AFTER_MS)
        longest = Math.max(longest ?? 0, transitMs);
    return longest;
  }
}

export interface Pauses {
  /** One value for each move: the longest transit around it, of the client that moved. */
  readonly moved: Histogram;
  /** One value for each of these, around the same time, of a client that stayed. */
  readonly stayed: Histogram;
}

/** Each move is paired with the next client in turn that stayed and received something then. */
export function pausesOf(clients: readonly ClientTimes[]): Pauses {
  const pauses = { moved: newHistogram(), stayed: newHistogram() };
  let turn = 0;
  for (const client of clients)
    for (const atMs of client.movesMs()) {
      const moved = client.longestAround(atMs);
      if (moved === undefined) continue;
      for (let tried = 0; tried < clients.length; tried++) {
        const other = clients[turn++ % clients.length];
        if (other === undefined || other.isMoving(atMs)) continue;
        const stayed = other.longestAround(atMs);
        if (stayed === undefined) continue;
        record(pauses.moved, moved);
        record(pauses.stayed, stayed);
        break;
      }
    }
  return pauses;
}
