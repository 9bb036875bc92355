// Owns: sliding windows: for each event, what came of its key in the time that ends with it.
import type { Saved } from "../aggregate/accumulator.ts";
import { NOTHING } from "../aggregate/aggregates.ts";
import type { WindowParts } from "./aligned-window.ts";
import { aboutResult, Groups } from "./groups.ts";
import { keyOf } from "./key.ts";
import { type Operator, Passing, type Stateful } from "./operator.ts";
import { Reading } from "./reading.ts";
import type { Run } from "./run.ts";
import { Schedule } from "./schedule.ts";
import { Watermark } from "./watermark.ts";

interface Entry {
  readonly timeMs: number;
  readonly key: string;
  readonly inputs: readonly unknown[];
  readonly bytes: number;
}

const ENTRY_BYTES = 96;

export class SlidingWindow extends Passing implements Stateful {
  readonly #run: Run;
  readonly #name: string;
  readonly #sizeMs: number;
  readonly #eventsMax: number;
  readonly #keysMax: number;
  readonly #bytesMax: number;
  readonly #reading: Reading;
  readonly #watermark: Watermark;
  readonly #groups: Groups;
  /** Events that the watermark has not reached, in their order. */
  #pending: Entry[] = [];
  /** Events that were reached, and are in windows to come. */
  readonly #past = new Map<string, Entry[]>();
  /** Events of each key, pending ones included. */
  readonly #counts = new Map<string, number>();
  readonly #schedule: Schedule;
  bytes = 0;

  constructor(run: Run, next: Operator, { name, rules, aggregates }: WindowParts) {
    super(next);
    const { shape } = rules;
    if (shape.kind !== "sliding") throw new TypeError(shape.kind);
    this.#run = run;
    this.#name = name;
    this.#sizeMs = shape.sizeMs;
    this.#eventsMax = shape.eventsMax;
    this.#keysMax = rules.keysMax;
    this.#bytesMax = rules.bytesMax;
    this.#groups = new Groups(aggregates, rules);
    this.#reading = new Reading(run, name, rules, this.#groups.measured);
    this.#watermark = new Watermark(run, rules);
    this.#schedule = new Schedule(shape.sizeMs / 4);
  }

  get keys(): number {
    return this.#counts.size;
  }

  push(value: unknown): void {
    if (!this.#reading.read(value)) return;
    const { timeMs, key, inputs } = this.#reading;
    const count = this.#counts.get(key) ?? 0;
    const isNew = count === 0 && this.#counts.size >= this.#keysMax;
    if (timeMs <= this.#watermark.valueMs) this.#run.late(value);
    else if (isNew || count >= this.#eventsMax || this.bytes >= this.#bytesMax || this.#run.isFull)
      return this.#run.dead(value, this.#name, "full", "keys, events or bytes");
    else {
      this.#run.fates.taken += 1;
      const entry = { timeMs, key, inputs: [...inputs], bytes: entryBytes(key, inputs) };
      let at = this.#pending.length;
      while (at > 0 && (this.#pending[at - 1] as Entry).timeMs > timeMs) at -= 1;
      this.#pending.splice(at, 0, entry);
      this.#counts.set(key, count + 1);
      this.bytes += entry.bytes;
    }
    if (this.#watermark.observe(timeMs)) this.#reach();
  }

  override advance(watermarkMs: number): void {
    if (this.#watermark.raise(watermarkMs)) this.#reach();
    super.advance(this.#watermark.valueMs);
  }

  override tick(idleMs: readonly number[]): void {
    if (this.#watermark.tick(idleMs)) {
      this.#reach();
      super.advance(this.#watermark.valueMs);
    }
    super.tick(idleMs);
  }

  save(): Saved {
    const past = [...this.#past.values()].flat();
    return [this.#watermark.save(), this.#pending.map(saveEntry), past.map(saveEntry)];
  }

  load(saved: Saved): void {
    const [watermark, pending, past] = saved as [Saved, Saved[], Saved[]];
    this.#watermark.load(watermark);
    for (const one of past) {
      const entry = loadEntry(one);
      this.#hold(entry);
      this.#count(entry);
    }
    this.#pending = pending.map(loadEntry);
    for (const entry of this.#pending) this.#count(entry);
  }

  #count(entry: Entry): void {
    this.#counts.set(entry.key, (this.#counts.get(entry.key) ?? 0) + 1);
    this.bytes += entry.bytes;
  }

  #hold(entry: Entry): Entry[] {
    const past = this.#past.get(entry.key) ?? [];
    past.push(entry);
    this.#past.set(entry.key, past);
    this.#schedule.put(entry.key, entry.timeMs + this.#sizeMs);
    return past;
  }

  #reach(): void {
    const { valueMs } = this.#watermark;
    let reached = 0;
    while (reached < this.#pending.length) {
      const entry = this.#pending[reached] as Entry;
      if (entry.timeMs > valueMs) break;
      reached += 1;
      const past = this.#hold(entry);
      this.#drop(past, entry.timeMs - this.#sizeMs, entry.key);
      this.#give(entry, past);
    }
    this.#pending.splice(0, reached);
    for (const key of this.#schedule.due(valueMs)) {
      const past = this.#past.get(key) ?? [];
      this.#drop(past, valueMs - this.#sizeMs, key);
      const last = past.at(-1);
      if (last === undefined) this.#past.delete(key);
      else this.#schedule.put(key, last.timeMs + this.#sizeMs);
    }
    if (reached > 0) super.advance(valueMs);
  }

  /** Forgets what no window to come will see. */
  #drop(past: Entry[], upToMs: number, key: string): void {
    let gone = 0;
    while (gone < past.length && (past[gone] as Entry).timeMs <= upToMs) {
      this.bytes -= (past[gone] as Entry).bytes;
      gone += 1;
    }
    if (gone === 0) return;
    past.splice(0, gone);
    const count = (this.#counts.get(key) ?? 0) - gone;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }

  #give({ key, timeMs }: Entry, past: readonly Entry[]): void {
    const group = this.#groups.start(key);
    for (const entry of past) this.#groups.add(group, entry.inputs, entry.timeMs);
    const fromMs = timeMs - this.#sizeMs;
    const value = { key: keyOf(key), fromMs, toMs: timeMs, ...this.#groups.values(group) };
    this.#groups.remove(key, group);
    this.#run.result(this.next, value, aboutResult(this.#run, key, timeMs));
  }
}

function entryBytes(key: string, inputs: readonly unknown[]): number {
  let bytes = ENTRY_BYTES + key.length * 2;
  for (const input of inputs)
    bytes +=
      typeof input === "string"
        ? 16 + input.length * 2
        : typeof input === "object" && input !== null
          ? JSON.stringify(input).length * 2
          : 16;
  return bytes;
}

/** Inputs that are missing are named by their numbers. */
const saveEntry = ({ timeMs, key, inputs }: Entry): Saved => [
  timeMs,
  key,
  inputs.map((input) => (input === NOTHING ? null : (input as Saved))),
  inputs.flatMap((input, i) => (input === NOTHING ? [i] : [])),
];

function loadEntry(saved: Saved): Entry {
  const [timeMs, key, list, missing] = saved as [number, string, Saved[], number[]];
  const inputs = list.map((input, i) => (missing.includes(i) ? NOTHING : input));
  return { timeMs, key, inputs, bytes: entryBytes(key, inputs) };
}
