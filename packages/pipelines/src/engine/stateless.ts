// Owns: the steps that keep nothing: validate, filter, map, flatMap, sample, lookup, branch, to.
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { hash32 } from "../aggregate/hash.ts";
import type { About } from "../define/types.ts";
import { type Operator, Passing } from "./operator.ts";
import type { Run } from "./run.ts";

/** A user's function, as the engine calls it. */
export type Call = (value: unknown, about: About<never>) => unknown;

export class Filter extends Passing {
  readonly #run: Run;
  readonly #keep: Call;
  readonly #step: string;

  constructor(run: Run, next: Operator, step: { readonly name: string; readonly keep: Call }) {
    super(next);
    this.#run = run;
    this.#keep = step.keep;
    this.#step = step.name;
  }

  push(value: unknown): void {
    let keeps: unknown;
    try {
      keeps = this.#keep(value, this.#run.about);
    } catch (error) {
      return this.#run.dead(value, this.#step, "threw", error);
    }
    if (keeps === true) this.next.push(value);
    else this.#run.fates.filtered += 1;
  }
}

export class MapTo extends Passing {
  readonly #run: Run;
  readonly #make: Call;
  readonly #step: string;

  constructor(run: Run, next: Operator, step: { readonly name: string; readonly make: Call }) {
    super(next);
    this.#run = run;
    this.#make = step.make;
    this.#step = step.name;
  }

  push(value: unknown): void {
    let made: unknown;
    try {
      made = this.#make(value, this.#run.about);
    } catch (error) {
      return this.#run.dead(value, this.#step, "threw", error);
    }
    this.next.push(made);
  }
}

/** Values that one event may become. */
const FLAT_MAX = 10_000;

export class FlatMap extends Passing {
  readonly #run: Run;
  readonly #make: Call;
  readonly #step: string;

  constructor(run: Run, next: Operator, step: { readonly name: string; readonly make: Call }) {
    super(next);
    this.#run = run;
    this.#make = step.make;
    this.#step = step.name;
  }

  push(value: unknown): void {
    const made: unknown[] = [];
    try {
      for (const one of this.#make(value, this.#run.about) as Iterable<unknown>) {
        made.push(one);
        if (made.length > FLAT_MAX)
          return this.#run.dead(value, this.#step, "full", `more than ${FLAT_MAX} values`);
      }
    } catch (error) {
      return this.#run.dead(value, this.#step, "threw", error);
    }
    this.#run.fates.added += made.length - 1;
    for (const one of made) this.next.push(one);
  }
}

export class Validate extends Passing {
  readonly #run: Run;
  readonly #schema: StandardSchemaV1;
  readonly #step: string;

  constructor(
    run: Run,
    next: Operator,
    step: { readonly name: string; readonly schema: StandardSchemaV1 },
  ) {
    super(next);
    this.#run = run;
    this.#schema = step.schema;
    this.#step = step.name;
  }

  push(value: unknown): void {
    let result: StandardSchemaV1.Result<unknown> | Promise<unknown>;
    try {
      result = this.#schema["~standard"].validate(value);
    } catch (error) {
      return this.#run.dead(value, this.#step, "threw", error);
    }
    if ("then" in result)
      return this.#run.dead(value, this.#step, "threw", "the schema answers with a promise");
    if (result.issues === undefined) return this.next.push(result.value);
    this.#run.dead(value, this.#step, "invalid", result.issues[0]?.message ?? "an issue");
  }
}

/** The same events on every replay: a hash of channel and offset decides. */
export class Sample extends Passing {
  readonly #run: Run;
  readonly #share: number;

  constructor(run: Run, next: Operator, share: number) {
    super(next);
    this.#run = run;
    this.#share = share;
  }

  push(value: unknown): void {
    const { about, offset, fates } = this.#run;
    if (hash32(`${about.channel} ${offset}`) < this.#share * 2 ** 32) this.next.push(value);
    else fates.throttled += 1;
  }
}

export class Lookup extends Passing {
  readonly #run: Run;
  readonly #step: {
    readonly name: string;
    readonly table: number;
    readonly by: Call;
    readonly merge: (value: unknown, found: unknown, about: About<never>) => unknown;
  };

  constructor(
    run: Run,
    next: Operator,
    step: {
      readonly name: string;
      readonly table: number;
      readonly by: Call;
      readonly merge: (value: unknown, found: unknown, about: About<never>) => unknown;
    },
  ) {
    super(next);
    this.#run = run;
    this.#step = step;
  }

  push(value: unknown): void {
    const { by, merge, name, table } = this.#step;
    const { about, tables } = this.#run;
    let made: unknown;
    try {
      const found = tables.find(table, String(by(value, about)));
      if (found === "failed") return this.#run.dead(value, name, "lookup", "the lookup failed");
      made = merge(value, found?.value, about);
    } catch (error) {
      return this.#run.dead(value, name, "threw", error);
    }
    this.next.push(made);
  }
}

export class Branch implements Operator {
  readonly #run: Run;
  readonly #branches: readonly Operator[];

  constructor(run: Run, branches: readonly Operator[]) {
    this.#run = run;
    this.#branches = branches;
  }

  push(value: unknown): void {
    this.#run.fates.added += this.#branches.length - 1;
    for (const branch of this.#branches) branch.push(value);
  }

  advance(watermarkMs: number): void {
    for (const branch of this.#branches) branch.advance(watermarkMs);
  }

  tick(idleMs: readonly number[]): void {
    for (const branch of this.#branches) branch.tick(idleMs);
  }
}

export class To extends Passing {
  readonly #run: Run;
  readonly #output: number;

  constructor(run: Run, next: Operator, output: number) {
    super(next);
    this.#run = run;
    this.#output = output;
  }

  push(value: unknown): void {
    this.#run.emit(this.#output, value);
    this.next.push(value);
  }
}

export class End implements Operator {
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  push(): void {
    this.#run.fates.passed += 1;
  }

  advance(): void {}
  tick(): void {}
}
