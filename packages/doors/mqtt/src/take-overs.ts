// Owns: how often one session may go from connection to connection on this node: two clients with
// one identifier that come back at once would take it from each other without end.
import type { Clock } from "@holdfast/core";

interface Fight {
  /** Take-overs that count, as they were at `atMs`. */
  count: number;
  atMs: number;
  /** The one connection that waits for its turn. */
  waiting: { readonly cancel: () => void; readonly go: (isTurn: boolean) => void } | undefined;
}

/** So many in a row at once, and then one in this time. */
const AT_ONCE = 5;
const EACH_MS = 2000;
/** Sessions that are remembered: the oldest are forgotten first. */
const SESSIONS_MAX = 10_000;

export class TakeOvers {
  readonly #clock: Pick<Clock, "nowMs" | "after">;
  readonly #delayed: () => void;
  readonly #fights = new Map<string, Fight>();

  /** `delayed`: a connection waits for its session. MUST NOT throw. */
  constructor(clock: Pick<Clock, "nowMs" | "after">, delayed: () => void) {
    this.#clock = clock;
    this.#delayed = delayed;
  }

  /** Sessions that are remembered. */
  get size(): number {
    return this.#fights.size;
  }

  /** A connection took the session from another one. */
  taken(session: string): void {
    const nowMs = this.#clock.nowMs();
    const fight = this.#fights.get(session);
    const count = 1 + (fight === undefined ? 0 : left(fight, nowMs));
    // To the end of the row: it is forgotten last.
    this.#fights.delete(session);
    this.#fights.set(session, { count, atMs: nowMs, waiting: fight?.waiting });
    for (const [oldest, { waiting }] of this.#fights) {
      const isOld = left(this.#fights.get(oldest) as Fight, nowMs) === 0;
      if (waiting !== undefined || (!isOld && this.#fights.size <= SESSIONS_MAX)) break;
      this.#fights.delete(oldest);
    }
  }

  /** True: the session may be taken now. False: another connection came for it meanwhile. */
  turn(session: string): Promise<boolean> | true {
    const fight = this.#fights.get(session);
    if (fight === undefined) return true;
    const overMs = (left(fight, this.#clock.nowMs()) - AT_ONCE) * EACH_MS;
    const before = fight.waiting;
    fight.waiting = undefined;
    before?.cancel();
    before?.go(false);
    if (overMs <= 0) return true;
    this.#delayed();
    return new Promise((go) => {
      const cancel = this.#clock.after(overMs, () => {
        const mine = this.#fights.get(session);
        if (mine !== undefined) mine.waiting = undefined;
        go(true);
      });
      fight.waiting = { cancel, go };
    });
  }
}

const left = ({ count, atMs }: Fight, nowMs: number): number =>
  Math.max(0, count - (nowMs - atMs) / EACH_MS);
