// Owns: detectors: what is looked for in the stream of a key, one state for each key.
import type { Saved } from "../aggregate/accumulator.ts";
import type { DetectorRules } from "../define/types.ts";
import { aboutResult } from "./groups.ts";
import { keyOf } from "./key.ts";
import { type Operator, Passing, type Stateful } from "./operator.ts";
import { Reading } from "./reading.ts";
import { RecentKeys } from "./recent-keys.ts";
import type { Run } from "./run.ts";
import { Schedule } from "./schedule.ts";
import { Absence, type Finding, Level, type Sense, Sequence } from "./senses.ts";
import type { Call } from "./stateless.ts";
import { Watermark } from "./watermark.ts";

interface KeyState {
  /** Event time of the newest event of the key. */
  newestMs: number;
  state: Saved;
}

const STATE_BYTES = 160;

/**
 * Events of a key are looked at in the order in which they come. One that is older than the newest
 * of its key is late.
 */
export class Detector extends Passing implements Stateful {
  readonly #run: Run;
  readonly #name: string;
  readonly #rules: DetectorRules;
  readonly #sense: Sense;
  readonly #reading: Reading;
  readonly #watermark: Watermark;
  readonly #states = new RecentKeys<KeyState>();
  readonly #schedule: Schedule;
  bytes = 0;

  constructor(
    run: Run,
    next: Operator,
    { name, rules }: { readonly name: string; readonly rules: DetectorRules },
  ) {
    super(next);
    this.#run = run;
    this.#name = name;
    this.#rules = rules;
    this.#sense = senseOf(rules);
    this.#reading = new Reading(run, name, rules);
    this.#watermark = new Watermark(run, rules);
    this.#schedule = new Schedule(rules.kind === "absence" ? rules.afterMs / 16 : 1000);
  }

  get keys(): number {
    return this.#states.size;
  }

  push(value: unknown): void {
    if (!this.#reading.read(value)) return;
    const { timeMs, key } = this.#reading;
    const { about } = this.#run;
    this.#forget(about.timeMs);
    const known = this.#states.get(key);
    if (known !== undefined && timeMs < known.newestMs) this.#run.late(value);
    else {
      if (known === undefined && !this.#hasRoom(key))
        return this.#run.dead(value, this.#name, "full", "keys or bytes");
      let answer: { readonly state: Saved; readonly finding?: Finding | undefined };
      try {
        answer = this.#sense.see(known?.state ?? null, value, timeMs, about);
      } catch (error) {
        return this.#run.dead(value, this.#name, "threw", error);
      }
      this.#run.fates.taken += 1;
      this.#put(key, { newestMs: timeMs, state: answer.state }, about.timeMs);
      if (answer.finding !== undefined) this.#give(key, timeMs, answer.finding);
    }
    if (this.#watermark.observe(timeMs)) this.#look();
  }

  override advance(watermarkMs: number): void {
    if (this.#watermark.raise(watermarkMs)) this.#look();
    super.advance(watermarkMs);
  }

  override tick(idleMs: readonly number[]): void {
    if (this.#watermark.tick(idleMs)) this.#look();
    super.tick(idleMs);
  }

  save(): Saved {
    const states = [...this.#states.entries()].map(([key, { newestMs, state }, usedMs]) => [
      key,
      usedMs,
      newestMs,
      state,
    ]);
    return [this.#watermark.save(), states];
  }

  load(saved: Saved): void {
    const [watermark, states] = saved as [Saved, [string, number, number, Saved][]];
    this.#watermark.load(watermark);
    for (const [key, usedMs, newestMs, state] of states)
      this.#put(key, { newestMs, state }, usedMs);
  }

  #hasRoom(key: string): boolean {
    const { keysMax, bytesMax } = this.#rules;
    return (
      !this.#run.isFull &&
      this.#states.size < keysMax &&
      this.bytes + bytesOf(key, null) <= bytesMax
    );
  }

  #put(key: string, state: KeyState, usedMs: number): void {
    const before = this.#states.get(key);
    if (before !== undefined) this.bytes -= bytesOf(key, before.state);
    this.bytes += bytesOf(key, state.state);
    this.#states.put(key, state, usedMs);
    const dueMs = this.#sense.dueMs(state.state, state.newestMs);
    if (dueMs !== undefined) this.#schedule.put(key, dueMs);
  }

  #forget(nowMs: number): void {
    for (;;) {
      const oldest = this.#states.oldest(nowMs, this.#rules.forgetMs);
      if (oldest === undefined) return;
      this.#states.delete(oldest[0]);
      this.bytes -= bytesOf(oldest[0], oldest[1].state);
    }
  }

  /** What is due by the watermark, in one order whatever the schedule was. */
  #look(): void {
    const { valueMs } = this.#watermark;
    const due: [number, string, KeyState][] = [];
    for (const key of this.#schedule.due(valueMs)) {
      const known = this.#states.get(key);
      const dueMs = known && this.#sense.dueMs(known.state, known.newestMs);
      if (known === undefined || dueMs === undefined) continue;
      if (dueMs > valueMs) this.#schedule.put(key, dueMs);
      else due.push([dueMs, key, known]);
    }
    due.sort(([a, k], [b, l]) => a - b || (k < l ? -1 : 1));
    for (const [dueMs, key, known] of due) {
      const { state, finding } = this.#sense.due(known.state, known.newestMs);
      this.bytes += bytesOf(key, state) - bytesOf(key, known.state);
      known.state = state;
      this.#give(key, dueMs, finding);
    }
  }

  #give(key: string, atMs: number, finding: Finding): void {
    const value = { key: keyOf(key), atMs, ...finding };
    this.#run.result(this.next, value, aboutResult(this.#run, key, atMs));
  }
}

function senseOf(rules: DetectorRules): Sense {
  if (rules.kind === "absence") return new Absence(rules.afterMs);
  if (rules.kind === "sequence")
    return new Sequence(rules.steps as readonly Call[], rules.withinMs);
  return new Level({
    ...rules,
    of: rules.of as Call,
    perMs: rules.kind === "rate" ? rules.perMs : undefined,
    forMs: rules.kind === "rate" ? 0 : rules.forMs,
  });
}

const bytesOf = (key: string, state: Saved): number =>
  STATE_BYTES + key.length * 2 + (Array.isArray(state) ? state.flat().length * 12 : 12);
