// Owns: counting windows: every so many events of a key, as they come.
import type { Saved } from "../aggregate/accumulator.ts";
import type { WindowParts } from "./aligned-window.ts";
import { aboutResult, type Group, Groups, saveGroup } from "./groups.ts";
import { keyOf } from "./key.ts";
import { type Operator, Passing, type Stateful } from "./operator.ts";
import { Reading } from "./reading.ts";
import { RecentKeys } from "./recent-keys.ts";
import type { Run } from "./run.ts";

interface Counted {
  readonly group: Group;
  events: number;
  fromMs: number;
  toMs: number;
}

export class CountingWindow extends Passing implements Stateful {
  readonly #run: Run;
  readonly #name: string;
  readonly #events: number;
  readonly #forgetMs: number;
  readonly #reading: Reading;
  readonly #groups: Groups;
  readonly #open = new RecentKeys<Counted>();

  constructor(run: Run, next: Operator, { name, rules, aggregates }: WindowParts) {
    super(next);
    const { shape } = rules;
    if (shape.kind !== "counting") throw new TypeError(shape.kind);
    this.#run = run;
    this.#name = name;
    this.#events = shape.events;
    this.#forgetMs = shape.forgetMs;
    this.#groups = new Groups(aggregates, rules);
    this.#reading = new Reading(run, name, rules, this.#groups.measured);
  }

  get keys(): number {
    return this.#open.size;
  }

  get bytes(): number {
    return this.#groups.bytes;
  }

  push(value: unknown): void {
    if (!this.#reading.read(value)) return;
    const { timeMs, key, inputs } = this.#reading;
    const nowMs = this.#run.about.timeMs;
    this.#forget(nowMs);
    const known = this.#open.get(key);
    const hasRoom = known !== undefined || (!this.#run.isFull && this.#groups.hasRoom(key));
    if (!hasRoom || !this.#groups.mayGrow)
      return this.#run.dead(value, this.#name, "full", "keys or bytes");
    const counted = known ?? {
      group: this.#groups.start(key),
      events: 0,
      fromMs: timeMs,
      toMs: timeMs,
    };
    this.#run.fates.taken += 1;
    counted.events += 1;
    counted.fromMs = Math.min(counted.fromMs, timeMs);
    counted.toMs = Math.max(counted.toMs, timeMs);
    this.#groups.add(counted.group, inputs, timeMs);
    if (counted.events >= this.#events) this.#give(key, counted);
    else this.#open.put(key, counted, nowMs);
  }

  save(): Saved {
    return [...this.#open.entries()].map(([key, { group, events, fromMs, toMs }, usedMs]) => [
      key,
      usedMs,
      events,
      fromMs,
      toMs,
      saveGroup(group),
    ]);
  }

  load(saved: Saved): void {
    for (const [key, usedMs, events, fromMs, toMs, group] of saved as [
      string,
      number,
      number,
      number,
      number,
      Saved[],
    ][]) {
      const counted = { group: this.#groups.load(key, group), events, fromMs, toMs };
      this.#open.put(key, counted, usedMs);
    }
  }

  #forget(nowMs: number): void {
    for (;;) {
      const oldest = this.#open.oldest(nowMs, this.#forgetMs);
      if (oldest === undefined) return;
      this.#give(...oldest);
    }
  }

  #give(key: string, { group, fromMs, toMs }: Counted): void {
    this.#open.delete(key);
    const value = { key: keyOf(key), fromMs, toMs, ...this.#groups.values(group) };
    this.#groups.remove(key, group);
    this.#run.result(this.next, value, aboutResult(this.#run, key, toMs));
  }
}
