// Owns: what detectors look for in the events of one key: a level, an absence, a sequence.
import type { Saved } from "../aggregate/accumulator.ts";
import type { About } from "../define/types.ts";
import { PipelineError } from "../pipeline-error.ts";
import type { Call } from "./stateless.ts";

/** What a detector says, beside key and time. */
export type Finding = Readonly<Record<string, Saved>>;

/** Pure: the state of a key is given and answered; null is that of a new key. */
export interface Sense {
  see(
    state: Saved,
    value: unknown,
    timeMs: number,
    about: About<never>,
  ): { readonly state: Saved; readonly finding?: Finding | undefined };
  /** When `due` is to be asked if no event of the key comes before. */
  dueMs(state: Saved, newestMs: number): number | undefined;
  due(state: Saved, newestMs: number): { readonly state: Saved; readonly finding: Finding };
}

interface LevelRules {
  readonly of: Call;
  readonly side: "above" | "below";
  readonly raise: number;
  readonly clear: number;
  readonly forMs: number;
  /** The rate of change in so long is looked at, not the value. */
  readonly perMs: number | undefined;
}

/** State: [raised, over the threshold since, time and value of the event before]. */
type LevelState = [0 | 1, number | null, number | null, number | null];

/** A value, or its rate of change, passes a threshold, and comes back behind another one. */
export class Level implements Sense {
  readonly #rules: LevelRules;

  constructor(rules: LevelRules) {
    this.#rules = rules;
  }

  see(state: Saved, value: unknown, timeMs: number, about: About<never>) {
    const { of, side, raise, clear, forMs, perMs } = this.#rules;
    const [raised, sinceMs, beforeMs, before] = (state ?? [0, null, null, null]) as LevelState;
    const measured = of(value, about);
    if (typeof measured !== "number" || !Number.isFinite(measured))
      throw new PipelineError("definition", `found ${String(measured)}, expected a number`);
    const level =
      perMs === undefined
        ? measured
        : beforeMs === null || before === null || timeMs === beforeMs
          ? undefined
          : ((measured - before) / (timeMs - beforeMs)) * perMs;
    const kept: [number | null, number | null] =
      perMs === undefined ? [null, null] : [timeMs, measured];
    if (level === undefined) return { state: [raised, sinceMs, ...kept] };
    const isOver = side === "above" ? level > raise : level < raise;
    const isClear = side === "above" ? level <= clear : level >= clear;
    if (raised === 1)
      return isClear
        ? { state: [0, null, ...kept], finding: { state: "cleared", value: level, sinceMs } }
        : { state: [1, sinceMs, ...kept] };
    if (!isOver) return { state: [0, null, ...kept] };
    const since = sinceMs ?? timeMs;
    return timeMs - since >= forMs
      ? { state: [1, since, ...kept], finding: { state: "raised", value: level, sinceMs: since } }
      : { state: [0, since, ...kept] };
  }

  dueMs(): undefined {
    return undefined;
  }

  due(state: Saved): { state: Saved; finding: Finding } {
    return { state, finding: {} };
  }
}

/** State: 0 there, 1 absent. */
export class Absence implements Sense {
  readonly #afterMs: number;

  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  see(state: Saved) {
    return { state: 0, ...(state === 1 ? { finding: { state: "present" } } : {}) };
  }

  dueMs(state: Saved, newestMs: number): number | undefined {
    return state === 1 ? undefined : newestMs + this.#afterMs;
  }

  due(_state: Saved, newestMs: number) {
    return { state: 1, finding: { state: "absent", sinceMs: newestMs } };
  }
}

/** Begun sequences of one key at most; the oldest is given up first. */
const BEGUN_MAX = 16;

/** State: times of the events of each sequence that has begun. */
export class Sequence implements Sense {
  readonly #steps: readonly Call[];
  readonly #withinMs: number;

  constructor(steps: readonly Call[], withinMs: number) {
    this.#steps = steps;
    this.#withinMs = withinMs;
  }

  /** Other events may lie between the steps. A sequence that is complete ends all that began. */
  see(state: Saved, value: unknown, timeMs: number, about: About<never>) {
    const begun = ((state ?? []) as number[][]).filter(
      ([first = 0]) => timeMs - first <= this.#withinMs,
    );
    const fits = this.#steps.map((step) => step(value, about) === true);
    const next = begun.map((times) => (fits[times.length] === true ? [...times, timeMs] : times));
    if (fits[0] === true) next.push([timeMs]);
    const whole = next.find((times) => times.length === this.#steps.length);
    if (whole !== undefined)
      return { state: [], finding: { fromMs: whole[0] ?? timeMs, toMs: timeMs, timesMs: whole } };
    return { state: next.slice(-BEGUN_MAX) };
  }

  dueMs(): undefined {
    return undefined;
  }

  due(state: Saved): { state: Saved; finding: Finding } {
    return { state, finding: {} };
  }
}
