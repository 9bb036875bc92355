// Owns: session windows: events of a key with less than a gap between them.
import type { Saved } from "../aggregate/accumulator.ts";
import type { WindowParts } from "./aligned-window.ts";
import { aboutResult, type Group, Groups, saveGroup } from "./groups.ts";
import { keyOf } from "./key.ts";
import { type Operator, Passing, type Stateful } from "./operator.ts";
import { Reading } from "./reading.ts";
import type { Run } from "./run.ts";
import { Schedule } from "./schedule.ts";
import { Watermark } from "./watermark.ts";

interface Session {
  fromMs: number;
  /** Time of its last event. */
  lastMs: number;
  readonly group: Group;
}

/** Open sessions of one key: stragglers may open some between others. */
const OPEN_MAX = 16;

export class SessionWindow extends Passing implements Stateful {
  readonly #run: Run;
  readonly #name: string;
  readonly #gapMs: number;
  readonly #longestMs: number;
  readonly #reading: Reading;
  readonly #watermark: Watermark;
  readonly #groups: Groups;
  readonly #sessions = new Map<string, Session[]>();
  readonly #schedule: Schedule;

  constructor(run: Run, next: Operator, { name, rules, aggregates }: WindowParts) {
    super(next);
    const { shape } = rules;
    if (shape.kind !== "session") throw new TypeError(shape.kind);
    this.#run = run;
    this.#name = name;
    this.#gapMs = shape.gapMs;
    this.#longestMs = shape.longestMs;
    this.#groups = new Groups(aggregates, rules, 2);
    this.#reading = new Reading(run, name, rules, this.#groups.measured);
    this.#watermark = new Watermark(run, rules);
    this.#schedule = new Schedule(shape.gapMs / 16);
  }

  get keys(): number {
    return this.#sessions.size;
  }

  get bytes(): number {
    return this.#groups.bytes;
  }

  push(value: unknown): void {
    if (!this.#reading.read(value)) return;
    const { timeMs, key } = this.#reading;
    const open = this.#sessions.get(key) ?? [];
    const near = open.find((session) => this.#fits(session, timeMs));
    if (near === undefined && timeMs + this.#gapMs <= this.#watermark.valueMs)
      this.#run.late(value);
    else if (near === undefined && (open.length >= OPEN_MAX || !this.#hasRoom(key)))
      return this.#run.dead(value, this.#name, "full", "keys, sessions or bytes");
    else if (!this.#groups.mayGrow) return this.#run.dead(value, this.#name, "full", "bytes");
    else this.#take(near, open);
    if (this.#watermark.observe(timeMs)) this.#close();
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
    const sessions = [...this.#sessions].map(([key, open]) => [
      key,
      open.map(({ fromMs, lastMs, group }) => [fromMs, lastMs, saveGroup(group)]),
    ]);
    return [this.#watermark.save(), sessions];
  }

  load(saved: Saved): void {
    const [watermark, all] = saved as [Saved, [string, [number, number, Saved[]][]][]];
    this.#watermark.load(watermark);
    for (const [key, open] of all) {
      const sessions = open.map(([fromMs, lastMs, group]) => ({
        fromMs,
        lastMs,
        group: this.#groups.load(key, group),
      }));
      this.#sessions.set(key, sessions);
      this.#plan(key, sessions);
    }
  }

  #hasRoom(key: string): boolean {
    return !this.#run.isFull && this.#groups.hasRoom(key);
  }

  #fits({ fromMs, lastMs }: Session, timeMs: number): boolean {
    return (
      timeMs > fromMs - this.#gapMs &&
      timeMs < lastMs + this.#gapMs &&
      Math.max(lastMs, timeMs) - Math.min(fromMs, timeMs) < this.#longestMs
    );
  }

  #take(near: Session | undefined, open: Session[]): void {
    const { timeMs, key, inputs } = this.#reading;
    this.#run.fates.taken += 1;
    const session = near ?? { fromMs: timeMs, lastMs: timeMs, group: this.#groups.start(key) };
    session.fromMs = Math.min(session.fromMs, timeMs);
    session.lastMs = Math.max(session.lastMs, timeMs);
    this.#groups.add(session.group, inputs, timeMs);
    if (near === undefined) {
      open.push(session);
      open.sort((a, b) => a.fromMs - b.fromMs);
    }
    if (open.length > 1) this.#join(open, key);
    this.#sessions.set(key, open);
    this.#plan(key, open);
  }

  /** Neighbours between which a straggler has closed the gap become one. */
  #join(open: Session[], key: string): void {
    for (let i = 0; i + 1 < open.length; ) {
      const [session, later] = [open[i] as Session, open[i + 1] as Session];
      const near = later.fromMs < session.lastMs + this.#gapMs;
      if (near && later.lastMs - session.fromMs < this.#longestMs) {
        this.#groups.merge(session.group, later.group, key);
        session.lastMs = Math.max(session.lastMs, later.lastMs);
        open.splice(i + 1, 1);
      } else i += 1;
    }
  }

  #plan(key: string, open: readonly Session[]): void {
    for (const { lastMs } of open) this.#schedule.put(key, lastMs + this.#gapMs);
  }

  #close(): void {
    const { valueMs } = this.#watermark;
    const closed: [string, Session][] = [];
    for (const key of this.#schedule.due(valueMs)) {
      const open = this.#sessions.get(key) ?? [];
      const stays = open.filter((session) => session.lastMs + this.#gapMs > valueMs);
      for (const session of open) if (!stays.includes(session)) closed.push([key, session]);
      if (stays.length === 0) this.#sessions.delete(key);
      else {
        this.#sessions.set(key, stays);
        this.#plan(key, stays);
      }
    }
    if (closed.length === 0) return;
    // One order, whatever the schedule was: also behind a restart.
    closed.sort(([k, a], [l, b]) => a.lastMs - b.lastMs || a.fromMs - b.fromMs || (k < l ? -1 : 1));
    for (const [key, session] of closed) this.#give(key, session);
    super.advance(this.#watermark.valueMs);
  }

  #give(key: string, { fromMs, lastMs, group }: Session): void {
    const toMs = lastMs + this.#gapMs;
    const value = { key: keyOf(key), fromMs, toMs, ...this.#groups.values(group) };
    this.#groups.remove(key, group);
    this.#run.result(this.next, value, aboutResult(this.#run, key, toMs - 1));
  }
}
