// Owns: the pace at which a node carries out wills: thousands that come at once are spread, and
// each party has its turn.
import { backoffMs, type Clock, type Random } from "@holdfast/core";

/** What the queue needs of its node. */
export interface WillQueueNeeds {
  readonly clock: Pick<Clock, "after" | "nowMs">;
  readonly random: Pick<Random, "next">;
}

/** `again`: the broker is away; it is tried again later. MUST NOT reject. */
export type WillTask = () => Promise<"done" | "again">;

/** Begun in one tick at most: 1,000 in a second. */
const PER_TICK = 20;
const TICK_MS = 20;
const RUNNING_MAX = 64;

export class WillQueue {
  readonly #needs: WillQueueNeeds;
  readonly #parties = new Map<string, WillTask[]>();
  #size = 0;
  #running = 0;
  #left = PER_TICK;
  #cancel: (() => void) | undefined;
  #failures = 0;
  #isOver = false;

  constructor(needs: WillQueueNeeds) {
    this.#needs = needs;
  }

  /** Tasks that have not begun. */
  get size(): number {
    return this.#size;
  }

  /** Begins within the call, if the pace allows it. */
  add(party: string, task: WillTask): void {
    if (this.#isOver) return;
    const tasks = this.#parties.get(party);
    if (tasks === undefined) this.#parties.set(party, [task]);
    else tasks.push(task);
    this.#size += 1;
    this.#run();
  }

  stop(): void {
    this.#isOver = true;
    this.#cancel?.();
    this.#parties.clear();
    this.#size = 0;
  }

  #run(): void {
    while (this.#left > 0 && this.#running < RUNNING_MAX && this.#failures === 0) {
      const next = this.#next();
      if (next === undefined) break;
      this.#left -= 1;
      this.#begin(next);
    }
    if (this.#left < PER_TICK) this.#later(TICK_MS);
  }

  #later(delayMs: number): void {
    if (this.#isOver) return;
    this.#cancel ??= this.#needs.clock.after(delayMs, () => {
      this.#cancel = undefined;
      this.#left = PER_TICK;
      if (this.#failures > 0) this.#probe();
      else this.#run();
    });
  }

  /** While the broker is away one task alone is tried. */
  #probe(): void {
    if (this.#running > 0) return this.#later(TICK_MS);
    const next = this.#next();
    if (next === undefined) this.#failures = 0;
    else this.#begin(next);
  }

  #next(): readonly [string, WillTask] | undefined {
    for (const [party, tasks] of this.#parties) {
      const task = tasks.shift();
      this.#parties.delete(party);
      // Behind the others: each party has its turn.
      if (tasks.length > 0) this.#parties.set(party, tasks);
      if (task === undefined) continue;
      this.#size -= 1;
      return [party, task];
    }
    return undefined;
  }

  #begin([party, task]: readonly [string, WillTask]): void {
    this.#running += 1;
    void task().then((result) => {
      this.#running -= 1;
      if (this.#isOver) return;
      if (result === "done") {
        this.#failures = 0;
        this.#run();
        return;
      }
      this.#failures += 1;
      const tasks = this.#parties.get(party);
      if (tasks === undefined) this.#parties.set(party, [task]);
      else tasks.unshift(task);
      this.#size += 1;
      this.#cancel?.();
      this.#cancel = undefined;
      this.#later(backoffMs(Math.min(this.#failures, 6), this.#needs.random));
    });
  }
}
