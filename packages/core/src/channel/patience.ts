// Owns: how long a hub waits between two tries to mend, and when it gives up on its history.
import type { Clock, Random } from "../ports.ts";

const RETRY_FIRST_MS = 100;
const RETRY_MS_MAX = 5000;
/** Mendings that begin at the same place, in a row. After these the history is not believed. */
export const STUCK_MAX = 6;

/** A history that lags behind the feed is given time, but not for ever. */
export class Patience {
  readonly #ports: { readonly clock: Clock; readonly random: Pick<Random, "next"> };
  #stuck = 0;
  #at = -1;

  constructor(ports: { readonly clock: Clock; readonly random: Pick<Random, "next"> }) {
    this.#ports = ports;
  }

  /** Mending begins at an offset. */
  begin(offset: number): void {
    this.#stuck = this.#at === offset ? this.#stuck + 1 : 0;
    this.#at = offset;
  }

  get isOver(): boolean {
    return this.#stuck > STUCK_MAX;
  }

  /** Before the first try: nothing, unless the last mending began here too. */
  async first(): Promise<void> {
    if (this.#stuck > 0) await this.pause(this.#stuck);
  }

  /** Behind a try, from 0, that led no further. */
  pause(attempt: number): Promise<void> {
    const { clock, random } = this.#ports;
    const delayMs =
      Math.min(RETRY_MS_MAX, RETRY_FIRST_MS * 2 ** Math.min(attempt, 10)) *
      (0.5 + random.next() / 2);
    return new Promise((resolve) => clock.after(delayMs, resolve));
  }
}
