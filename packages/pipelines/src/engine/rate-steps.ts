// Owns: the steps that let some events pass only: dedupe by key, throttle by key.
import type { Saved } from "../aggregate/accumulator.ts";
import { keyText } from "./key.ts";
import { type Operator, Passing, type Stateful } from "./operator.ts";
import { RecentKeys } from "./recent-keys.ts";
import type { Run } from "./run.ts";
import type { Call } from "./stateless.ts";

const ENTRY_BYTES = 120;

/** Lets the first event of a key pass, and no other of it within a time of the broker's clock. */
export class Dedupe extends Passing implements Stateful {
  readonly #run: Run;
  readonly #step: {
    readonly name: string;
    readonly by: Call;
    readonly withinMs: number;
    readonly keysMax: number;
  };
  readonly #seen = new RecentKeys<true>();

  constructor(
    run: Run,
    next: Operator,
    step: {
      readonly name: string;
      readonly by: Call;
      readonly withinMs: number;
      readonly keysMax: number;
    },
  ) {
    super(next);
    this.#run = run;
    this.#step = step;
  }

  get keys(): number {
    return this.#seen.size;
  }

  get bytes(): number {
    return this.#seen.size * ENTRY_BYTES;
  }

  push(value: unknown): void {
    const { by, name, withinMs, keysMax } = this.#step;
    const { about, told } = this.#run;
    let key: string | undefined;
    try {
      key = keyText(by(value, about));
    } catch (error) {
      return this.#run.dead(value, name, "threw", error);
    }
    if (key === undefined) return this.#run.dead(value, name, "key");
    for (;;) {
      const old = this.#seen.oldest(about.timeMs, withinMs);
      if (old === undefined) break;
      this.#seen.delete(old[0]);
    }
    if (this.#seen.get(key) !== undefined) {
      this.#run.fates.duplicate += 1;
      return;
    }
    this.#seen.put(key, true, about.timeMs);
    told.forgotten += this.#seen.trim(keysMax);
    this.next.push(value);
  }

  save(): Saved {
    return this.#seen.entries().map(([key, , usedMs]) => [key, usedMs]);
  }

  changes(): Saved {
    return this.#seen.changes().map(([key, , usedMs]) => [key, usedMs]);
  }

  merged = joined;

  load(saved: Saved): void {
    for (const [key, usedMs] of saved as [string, number][]) this.#seen.put(key, true, usedMs);
    // Changes tell of no key that was forgotten.
    this.#seen.trim(this.#step.keysMax);
  }
}

interface Passed {
  readonly sinceMs: number;
  events: number;
}

/** Lets so many events of a key pass in each interval of the broker's clock. */
export class Throttle extends Passing implements Stateful {
  readonly #run: Run;
  readonly #step: {
    readonly name: string;
    readonly by: Call | undefined;
    readonly events: number;
    readonly perMs: number;
    readonly keysMax: number;
  };
  readonly #passed = new RecentKeys<Passed>();

  constructor(
    run: Run,
    next: Operator,
    step: {
      readonly name: string;
      readonly by: Call | undefined;
      readonly events: number;
      readonly perMs: number;
      readonly keysMax: number;
    },
  ) {
    super(next);
    this.#run = run;
    this.#step = step;
  }

  get keys(): number {
    return this.#passed.size;
  }

  get bytes(): number {
    return this.#passed.size * ENTRY_BYTES;
  }

  push(value: unknown): void {
    const { by, name, events, perMs, keysMax } = this.#step;
    const { about, told, fates } = this.#run;
    let key: string | undefined = "";
    try {
      if (by !== undefined) key = keyText(by(value, about));
    } catch (error) {
      return this.#run.dead(value, name, "threw", error);
    }
    if (key === undefined) return this.#run.dead(value, name, "key");
    const sinceMs = Math.floor(about.timeMs / perMs) * perMs;
    const known = this.#passed.get(key);
    const passed = known?.sinceMs === sinceMs ? known : { sinceMs, events: 0 };
    if (passed.events >= events) {
      fates.throttled += 1;
      return;
    }
    passed.events += 1;
    this.#passed.put(key, passed, about.timeMs);
    told.forgotten += this.#passed.trim(keysMax);
    this.next.push(value);
  }

  save(): Saved {
    return this.#passed.entries().map(savedOf);
  }

  changes(): Saved {
    return this.#passed.changes().map(savedOf);
  }

  merged = joined;

  load(saved: Saved): void {
    for (const [key, usedMs, sinceMs, events] of saved as [string, number, number, number][])
      this.#passed.put(key, { sinceMs, events }, usedMs);
    this.#passed.trim(this.#step.keysMax);
  }
}

const savedOf = ([key, { sinceMs, events }, usedMs]: readonly [string, Passed, number]): Saved => [
  key,
  usedMs,
  sinceMs,
  events,
];

/** One behind the other: who loads it takes the last entry of a key. */
function joined(saved: Saved, changes: readonly Saved[]): Saved {
  const entries = saved as Saved[];
  for (const some of changes as readonly Saved[][]) for (const one of some) entries.push(one);
  return entries;
}
