// Owns: tumbling and hopping windows: aligned to the Unix epoch, closed by the watermark.
import type { Saved } from "../aggregate/accumulator.ts";
import type { AggregateDefinition, WindowRules } from "../define/types.ts";
import { aboutResult, type Group, Groups, saveGroup } from "./groups.ts";
import { keyOf } from "./key.ts";
import { type Operator, Passing, type Stateful } from "./operator.ts";
import { Reading } from "./reading.ts";
import type { Run } from "./run.ts";
import { Watermark } from "./watermark.ts";

/** The watermark, and groups by window and key. */
type SavedWindows = readonly [Saved, readonly [number, readonly [string, Saved[]][]][]];

export interface WindowParts {
  readonly name: string;
  readonly rules: WindowRules;
  readonly aggregates: Readonly<Record<string, AggregateDefinition>>;
}

export class AlignedWindow extends Passing implements Stateful {
  readonly #run: Run;
  readonly #name: string;
  readonly #sizeMs: number;
  readonly #everyMs: number;
  readonly #reading: Reading;
  readonly #watermark: Watermark;
  readonly #groups: Groups;
  /** Groups of open windows: by the window's start, then by key. */
  readonly #open = new Map<number, Map<string, Group>>();
  /** Keys of open windows to which something came since `save` or `changes`. */
  readonly #touched = new Map<number, Set<string>>();
  /** End of the open window that ends first. */
  #nextEndMs = Number.POSITIVE_INFINITY;

  constructor(run: Run, next: Operator, { name, rules, aggregates }: WindowParts) {
    super(next);
    const { shape } = rules;
    if (shape.kind !== "tumbling" && shape.kind !== "hopping") throw new TypeError(shape.kind);
    this.#run = run;
    this.#name = name;
    this.#sizeMs = shape.sizeMs;
    this.#everyMs = shape.kind === "hopping" ? shape.everyMs : shape.sizeMs;
    const perKey = Math.ceil((this.#sizeMs + rules.latenessMs) / this.#everyMs) + 1;
    this.#groups = new Groups(aggregates, rules, perKey);
    this.#reading = new Reading(run, name, rules, this.#groups.measured);
    this.#watermark = new Watermark(run, rules);
  }

  get keys(): number {
    return this.#groups.count;
  }

  get bytes(): number {
    return this.#groups.bytes;
  }

  push(value: unknown): void {
    if (!this.#reading.read(value)) return;
    const { timeMs, key } = this.#reading;
    const newestMs = Math.floor(timeMs / this.#everyMs) * this.#everyMs;
    const wanted = this.#room(newestMs, timeMs, key);
    if (wanted === "full") this.#run.dead(value, this.#name, "full", "keys or bytes");
    else {
      if (wanted === 0) this.#run.late(value);
      else this.#take(newestMs, timeMs, key);
      if (this.#watermark.observe(timeMs)) this.#close();
    }
  }

  override advance(watermarkMs: number): void {
    if (this.#watermark.raise(watermarkMs)) this.#close();
    super.advance(this.#watermark.valueMs);
  }

  override tick(idleMs: readonly number[]): void {
    if (this.#watermark.tick(idleMs)) {
      this.#close();
      super.advance(this.#watermark.valueMs);
    }
    super.tick(idleMs);
  }

  save(): Saved {
    this.#touched.clear();
    const windows = [...this.#open].map(([startMs, groups]) => [
      startMs,
      [...groups].map(([key, group]) => [key, saveGroup(group)]),
    ]);
    return [this.#watermark.save(), windows];
  }

  changes(): Saved {
    const windows = [...this.#touched].map(([startMs, keys]) => {
      const groups = this.#open.get(startMs);
      return [startMs, [...keys].map((key) => [key, saveGroup(groups?.get(key) ?? [])])];
    });
    this.#touched.clear();
    return [this.#watermark.save(), windows];
  }

  merged(saved: Saved, changes: readonly Saved[]): Saved {
    const [first, ...others] = [saved, ...changes] as SavedWindows[];
    const open = new Map(first?.[1].map(([startMs, groups]) => [startMs, new Map(groups)]));
    let watermark = first?.[0];
    for (const [newer, windows] of others) {
      watermark = newer;
      for (const [startMs, groups] of windows) {
        const known = open.get(startMs);
        if (known === undefined) open.set(startMs, new Map(groups));
        else for (const [key, group] of groups) known.set(key, group);
      }
    }
    // Of windows that closed meanwhile nothing was said.
    const closedMs = (watermark as [number | null] | undefined)?.[0] ?? Number.NEGATIVE_INFINITY;
    const windows = [...open]
      .filter(([startMs]) => startMs + this.#sizeMs > closedMs)
      .map(([startMs, groups]) => [startMs, [...groups]]);
    return [watermark, windows] as Saved;
  }

  load(saved: Saved): void {
    const [watermark, windows] = saved as SavedWindows;
    this.#watermark.load(watermark);
    for (const [startMs, groups] of windows) {
      this.#open.set(
        startMs,
        new Map(groups.map(([key, group]) => [key, this.#groups.load(key, group)])),
      );
      this.#nextEndMs = Math.min(this.#nextEndMs, startMs + this.#sizeMs);
    }
  }

  /** Open windows that the event belongs to; `full` if there is no room for its key in them. */
  #room(newestMs: number, timeMs: number, key: string): number | "full" {
    let [windows, missing] = [0, 0];
    for (let startMs = newestMs; startMs > timeMs - this.#sizeMs; startMs -= this.#everyMs) {
      if (startMs + this.#sizeMs <= this.#watermark.valueMs) {
        // Older ones have closed, too.
        if (windows > 0) this.#run.told.partlyLate += 1;
        break;
      }
      windows += 1;
      if (this.#open.get(startMs)?.has(key) !== true) missing += 1;
    }
    if (windows === 0) return 0;
    const hasRoom = missing === 0 || (!this.#run.isFull && this.#groups.hasRoom(key, missing));
    if (!hasRoom || (missing === 0 && !this.#groups.mayGrow)) return "full";
    return windows;
  }

  #take(newestMs: number, timeMs: number, key: string): void {
    const { inputs } = this.#reading;
    this.#run.fates.taken += 1;
    for (let startMs = newestMs; startMs > timeMs - this.#sizeMs; startMs -= this.#everyMs) {
      if (startMs + this.#sizeMs <= this.#watermark.valueMs) break;
      let groups = this.#open.get(startMs);
      if (groups === undefined) {
        groups = new Map();
        this.#open.set(startMs, groups);
        this.#nextEndMs = Math.min(this.#nextEndMs, startMs + this.#sizeMs);
      }
      let group = groups.get(key);
      if (group === undefined) {
        group = this.#groups.start(key);
        groups.set(key, group);
      }
      this.#groups.add(group, inputs, timeMs);
      const touched = this.#touched.get(startMs);
      if (touched === undefined) this.#touched.set(startMs, new Set([key]));
      else touched.add(key);
    }
  }

  /** Gives the results of every window that ends at or before the watermark, oldest first. */
  #close(): void {
    const { valueMs } = this.#watermark;
    if (valueMs < this.#nextEndMs) return;
    const starts = [...this.#open.keys()].sort((a, b) => a - b);
    this.#nextEndMs = Number.POSITIVE_INFINITY;
    for (const startMs of starts) {
      const endMs = startMs + this.#sizeMs;
      if (endMs > valueMs) {
        this.#nextEndMs = Math.min(this.#nextEndMs, endMs);
        continue;
      }
      const groups = this.#open.get(startMs) ?? new Map<string, Group>();
      this.#open.delete(startMs);
      this.#touched.delete(startMs);
      for (const [key, group] of groups) this.#give(startMs, key, group);
    }
    super.advance(valueMs);
  }

  #give(fromMs: number, key: string, group: Group): void {
    const toMs = fromMs + this.#sizeMs;
    const value = { key: keyOf(key), fromMs, toMs, ...this.#groups.values(group) };
    this.#groups.remove(key, group);
    // The last moment in it, so that a window behind this one counts it where it belongs.
    this.#run.result(this.next, value, aboutResult(this.#run, key, toMs - 1));
  }
}
