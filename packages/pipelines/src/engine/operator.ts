// Owns: what every step is made of at run time: an operator that takes an event and hands it on.
import type { Saved } from "../aggregate/accumulator.ts";

export interface Operator {
  /** Takes one event; `Run.about` says what is known of it. Never throws but for our own faults. */
  push(value: unknown): void;
  /** The windows before this step have closed up to here: no result of theirs is older. */
  advance(watermarkMs: number): void;
  /** Time passed. `idleMs`: for each source, how long no event has come from it. */
  tick(idleMs: readonly number[]): void;
}

/** An operator that keeps something between events. */
export interface Stateful extends Operator {
  save(): Saved;
  /**
   * What changed since `save` or `changes` was last called. Absent: it is always saved whole. What
   * it costs follows from what changed, not from what is kept.
   */
  changes?(): Saved;
  /** What `save` said, and `changes` after it, as one. It MAY take `saved` apart. */
  merged?(saved: Saved, changes: readonly Saved[]): Saved;
  /** Before the first event, and only what `save` of an operator of the same signature said. */
  load(saved: Saved): void;
  /** Keys that it keeps. */
  readonly keys: number;
  /** Bytes that it keeps, roughly. */
  readonly bytes: number;
}

/** Time that passes goes by a step that keeps no time. */
export abstract class Passing implements Operator {
  protected readonly next: Operator;

  constructor(next: Operator) {
    this.next = next;
  }

  abstract push(value: unknown): void;

  advance(watermarkMs: number): void {
    this.next.advance(watermarkMs);
  }

  tick(idleMs: readonly number[]): void {
    this.next.tick(idleMs);
  }
}
