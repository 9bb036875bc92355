// Owns: making operators out of a definition's steps.
import type { PipelineDefinition, Step, TableDefinition, WindowRules } from "../define/types.ts";
import { PipelineError } from "../pipeline-error.ts";
import type { SinkDefinition } from "../sink.ts";
import { AlignedWindow, type WindowParts } from "./aligned-window.ts";
import { CountingWindow } from "./counting-window.ts";
import { Detector } from "./detector.ts";
import type { Operator, Stateful } from "./operator.ts";
import { Dedupe, Throttle } from "./rate-steps.ts";
import { Run } from "./run.ts";
import { SessionWindow } from "./session-window.ts";
import { SlidingWindow } from "./sliding-window.ts";
import {
  Branch,
  type Call,
  End,
  Filter,
  FlatMap,
  Lookup,
  MapTo,
  Sample,
  To,
  Validate,
} from "./stateless.ts";

/** A step that keeps something, and what must stay the same for its state to be carried on. */
export interface Keeper {
  /** Path of branches, kind, and number among its kind: `window 1`, `hot/detect 2`. */
  readonly id: string;
  readonly signature: string;
  readonly operator: Stateful;
}

/** One place where records leave the pipeline. */
export interface Output {
  /** The same in every version that has this output: kind and options of the sink. */
  readonly id: string;
  readonly sink: SinkDefinition;
  /** `results`: a `to` step. */
  readonly of: "results" | "late" | "dead";
}

/** The operators of one partition. */
export interface Compiled {
  readonly run: Run;
  readonly first: Operator;
  readonly keepers: readonly Keeper[];
}

/** Places where records leave, in one order: `to` steps as they are written, late, dead. */
export function outputsOf(definition: PipelineDefinition): readonly Output[] {
  const sinks: { readonly sink: SinkDefinition; readonly of: Output["of"] }[] = [];
  const walk = (steps: readonly Step[]): void => {
    for (const step of steps) {
      if (step.kind === "to") sinks.push({ sink: step.sink, of: "results" });
      if (step.kind === "branch") Object.values(step.branches).forEach(walk);
    }
  };
  walk(definition.steps);
  if (definition.late !== undefined) sinks.push({ sink: definition.late, of: "late" });
  if (definition.dead !== undefined) sinks.push({ sink: definition.dead, of: "dead" });
  const seen = new Map<string, number>();
  return sinks.map(({ sink, of }) => {
    const name = `${of} ${sink.sink} ${JSON.stringify(sink.options)}`;
    const number = (seen.get(name) ?? 0) + 1;
    seen.set(name, number);
    return { id: number === 1 ? name : `${name} ${number}`, sink, of };
  });
}

/** Tables that steps look into, by their number. */
export function tablesOf(definition: PipelineDefinition): readonly TableDefinition[] {
  const walk = (steps: readonly Step[]): TableDefinition[] =>
    steps.flatMap((step) =>
      step.kind === "lookup"
        ? [step.table]
        : step.kind === "branch"
          ? Object.values(step.branches).flatMap(walk)
          : [],
    );
  return walk(definition.steps);
}

/** Operators of a partition. `part`: only the steps before `upTo`, and then the given operator. */
export function compile(
  definition: PipelineDefinition,
  part?: { readonly upTo: number; readonly end: (run: Run) => Operator },
): Compiled {
  const run = new Run(definition.source.pattern);
  const keepers: Keeper[] = [];
  const outputs = outputsOf(definition);
  const late = outputs.findIndex(({ of }) => of === "late");
  const dead = outputs.findIndex(({ of }) => of === "dead");
  if (late !== -1 && part === undefined) run.lateOutput = late;
  if (dead !== -1 && part === undefined) run.deadOutput = dead;
  const steps = part === undefined ? definition.steps : definition.steps.slice(0, part.upTo);
  const chain = new Chain(run, keepers);
  const first = chain.make(steps, "", part === undefined ? new End(run) : part.end(run));
  return { run, first, keepers };
}

/** Steps are made from the last to the first, but numbered as they are written. */
class Chain {
  readonly #run: Run;
  readonly #keepers: Keeper[];
  #output = 0;
  #table = 0;

  constructor(run: Run, keepers: Keeper[]) {
    this.#run = run;
    this.#keepers = keepers;
  }

  make(steps: readonly Step[], path: string, end: Operator): Operator {
    const numbers = new Map<string, number>();
    const made = steps.map((step) => {
      const number = (numbers.get(step.kind) ?? 0) + 1;
      numbers.set(step.kind, number);
      return this.#step(step, `${path}${step.kind} ${number}`, path);
    });
    return made.reduceRight<Operator>((next, make) => make(next), end);
  }

  #step(step: Step, name: string, path: string): (next: Operator) => Operator {
    const run = this.#run;
    switch (step.kind) {
      case "filter":
        return (next) => new Filter(run, next, { name, keep: step.keep as Call });
      case "map":
        return (next) => new MapTo(run, next, { name, make: step.make as Call });
      case "flatMap":
        return (next) => new FlatMap(run, next, { name, make: step.make as Call });
      case "validate":
        return (next) => new Validate(run, next, { name, schema: step.schema });
      case "sample":
        return (next) => new Sample(run, next, step.share);
      case "lookup": {
        const table = this.#table;
        this.#table += 1;
        const { by, merge } = step;
        return (next) =>
          new Lookup(run, next, {
            name,
            table,
            by: by as Call,
            merge: merge as (value: unknown, found: unknown) => unknown,
          });
      }
      case "to": {
        const output = this.#output;
        this.#output += 1;
        return (next) => new To(run, next, output);
      }
      case "branch": {
        const branches = Object.entries(step.branches).map(([branch, steps]) =>
          this.make(steps, `${path}${branch}/`, new End(run)),
        );
        // A branch step is the last one: what is behind it would run for nobody.
        return () => new Branch(run, branches);
      }
      default:
        return (next) => this.#keeper(step, name, next);
    }
  }

  #keeper(
    step: Extract<Step, { kind: "dedupe" | "throttle" | "window" | "detect" }>,
    name: string,
    next: Operator,
  ): Operator {
    const operator = keeperOf(this.#run, step, name, next);
    this.#keepers.push({ id: name, signature: signatureOf(step), operator });
    return operator;
  }
}

function keeperOf(
  run: Run,
  step: Extract<Step, { kind: "dedupe" | "throttle" | "window" | "detect" }>,
  name: string,
  next: Operator,
): Stateful {
  switch (step.kind) {
    case "dedupe":
      return new Dedupe(run, next, { ...step, name, by: step.by as Call });
    case "throttle":
      return new Throttle(run, next, { ...step, name, by: step.by as Call | undefined });
    case "detect":
      return new Detector(run, next, { name, rules: step.rules });
    case "window":
      return windowOf(run, next, { ...step, name });
  }
}

function windowOf(run: Run, next: Operator, parts: WindowParts): Stateful {
  switch (parts.rules.shape.kind) {
    case "tumbling":
    case "hopping":
      return new AlignedWindow(run, next, parts);
    case "sliding":
      return new SlidingWindow(run, next, parts);
    case "session":
      return new SessionWindow(run, next, parts);
    case "counting":
      return new CountingWindow(run, next, parts);
  }
}

/** What the layout of a step's state depends on. Functions cannot be compared. */
function signatureOf(
  step: Extract<Step, { kind: "dedupe" | "throttle" | "window" | "detect" }>,
): string {
  if (step.kind === "window") return windowSignature(step.rules, step.aggregates);
  if (step.kind !== "detect") return step.kind;
  const { kind } = step.rules;
  return kind === "sequence" ? `sequence ${step.rules.steps.length}` : kind;
}

function windowSignature({ shape }: WindowRules, aggregates: WindowParts["aggregates"]): string {
  const kinds = Object.entries(aggregates).map(
    ([name, { aggregate, parameter }]) => `${name}=${aggregate}${parameter ?? ""}`,
  );
  return `${JSON.stringify(shape)} ${kinds.join(",")}`;
}

/** Thrown when kept state is not of this pipeline. */
export function stateFault(found: string, expected: string): PipelineError {
  return new PipelineError(
    "state",
    `Cannot go on from the kept state: found ${found}, expected ${expected}`,
  );
}
