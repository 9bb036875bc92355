// Owns: when a client comes back that the node has no time or no room for.
import { WaitingLine } from "../pacing/waiting-line.ts";
import type { Clock, Random } from "../ports.ts";
import type { Connection } from "./connection.ts";
import { partyOf } from "./shares.ts";

/** What the waiting needs of the node. */
export interface WaitingNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly random: Pick<Random, "next">;
  readonly fleet: { readonly handshakesPerSecond: number; readonly hasRoomElsewhere: boolean };
}

interface Terms {
  readonly line: WaitingLine;
  readonly leastMs: number;
  readonly share: number;
}

/** What a client waits at least. */
const MS_MIN = 1000;
/** If no node has room: a quarter of the time for which others have waited, and at most this. */
const MS_MAX = 15_000;
/** Shares of A at which they come back: each is let in that finds time, and few find room. */
const BUSY_SHARE = 0.85;
const FULL_SHARE = 0.25;

export class Waiting {
  readonly #needs: WaitingNeeds;
  readonly #busyLine = new WaitingLine();
  readonly #fullLine = new WaitingLine();

  constructor(needs: WaitingNeeds) {
    this.#needs = needs;
  }

  /** Too many handshakes are under way. Ms after which to come back. */
  busyMs(connection: Connection): number {
    return this.#ask(connection, { line: this.#busyLine, leastMs: MS_MIN, share: BUSY_SHARE });
  }

  /** The node has as many connections as it may have. Ms after which to come back. */
  fullMs(connection: Connection): number {
    const { clock, fleet } = this.#needs;
    const waitedMs = fleet.hasRoomElsewhere ? 0 : this.#fullLine.lastsMs(clock.nowMs());
    const leastMs = Math.min(MS_MAX, Math.max(MS_MIN, waitedMs / 4));
    return this.#ask(connection, { line: this.#fullLine, leastMs, share: FULL_SHARE });
  }

  #ask(connection: Connection, { line, leastMs, share }: Terms): number {
    const { clock, random, fleet } = this.#needs;
    const ratePerSecond = fleet.handshakesPerSecond * share;
    const terms = { ratePerSecond, leastMs, chance: random.next() };
    return line.ask(partyOf(connection), clock.nowMs(), terms);
  }
}
