// Owns: how long a hub waits between two reads of missing publications, and when it stops trusting
// the history.
import { backoffMs } from "../backoff.ts";
import type { Clock, Random } from "../ports.ts";

/**
 * Most repairs in a row that begin at the same offset. After these the hub does not trust the
 * history.
 */
export const STUCK_MAX = 6;

/**
 * Waits between the reads of a hub: a history may lag behind the feed for some time, but not for
 * ever.
 */
export class Patience {
  readonly #ports: { readonly clock: Clock; readonly random: Pick<Random, "next"> };
  #stuck = 0;
  #at = -1;

  constructor(ports: { readonly clock: Clock; readonly random: Pick<Random, "next"> }) {
    this.#ports = ports;
  }

  /** A repair begins at an offset. */
  begin(offset: number): void {
    this.#stuck = this.#at === offset ? this.#stuck + 1 : 0;
    this.#at = offset;
  }

  get isOver(): boolean {
    return this.#stuck > STUCK_MAX;
  }

  /** The wait before the first try: 0, unless the last repair began at the same offset. */
  async first(): Promise<void> {
    if (this.#stuck > 0) await this.pause(this.#stuck);
  }

  /** The wait after a try that read nothing new; tries are counted from 0. */
  pause(attempt: number): Promise<void> {
    const { clock, random } = this.#ports;
    return new Promise((resolve) => clock.after(backoffMs(attempt, random), resolve));
  }
}
