// Owns: what a window or a detector reads of an event: its time, its key, and what is aggregated.
import { type Aggregate, WRONG } from "../aggregate/aggregates.ts";
import { isoMs } from "../define/duration.ts";
import type { TimeRules } from "../define/types.ts";
import { keyText } from "./key.ts";
import type { Run } from "./run.ts";
import type { Call } from "./stateless.ts";

export interface Measured {
  readonly aggregate: Aggregate;
  readonly of: Call | undefined;
}

interface ReadingRules extends Pick<TimeRules, "aheadMsMax"> {
  readonly time: TimeRules["time"];
  readonly key: unknown;
}

/** Event times beyond that are no times: the year 275760. */
const TIME_MS_MAX = 8.64e15;

/** The event that was read last. One object, so that an event costs none. */
export class Reading {
  timeMs = 0;
  key = "";
  readonly inputs: unknown[];
  readonly #run: Run;
  readonly #step: string;
  readonly #time: Call | undefined;
  readonly #keyOf: Call | undefined;
  readonly #aheadMsMax: number;
  readonly #measured: readonly Measured[];

  constructor(run: Run, step: string, rules: ReadingRules, measured: readonly Measured[] = []) {
    this.#run = run;
    this.#step = step;
    this.#time = rules.time as Call | undefined;
    this.#keyOf = rules.key as Call | undefined;
    this.#aheadMsMax = rules.aheadMsMax;
    this.#measured = measured;
    this.inputs = measured.map(() => true);
  }

  /** False: the event is a dead letter, and has been counted. */
  read(value: unknown): boolean {
    const { about } = this.#run;
    try {
      const time = this.#time === undefined ? about.timeMs : this.#time(value, about);
      const timeMs = typeof time === "number" ? Math.floor(time) : isoMs(String(time));
      if (timeMs === undefined || !(Math.abs(timeMs) <= TIME_MS_MAX))
        return this.#dead(value, "time", `found ${String(time).slice(0, 50)}, expected a time`);
      if (timeMs - about.timeMs > this.#aheadMsMax)
        return this.#dead(value, "time", `${timeMs - about.timeMs} ms ahead of the broker's clock`);
      this.timeMs = timeMs;
      if (this.#keyOf !== undefined) {
        const key = keyText(this.#keyOf(value, about));
        if (key === undefined)
          return this.#dead(value, "key", "expected a text, a number or parts, 256 characters");
        this.key = key;
      }
      for (let i = 0; i < this.#measured.length; i++) {
        const measured = this.#measured[i] as Measured;
        if (measured.of === undefined) continue;
        const input = measured.aggregate.check(measured.of(value, about));
        if (input === WRONG)
          return this.#dead(value, "input", `${measured.aggregate.kind} cannot take its input`);
        this.inputs[i] = input;
      }
    } catch (error) {
      return this.#dead(value, "threw", error);
    }
    return true;
  }

  #dead(value: unknown, reason: "time" | "key" | "input" | "threw", error: unknown): false {
    this.#run.dead(value, this.#step, reason, error);
    return false;
  }
}
