// Owns: the table of aggregates: their accumulators, and what each takes as input.
import type { AggregateDefinition, AggregateKind } from "../define/types.ts";
import type { Accumulator, Saved } from "./accumulator.ts";
import { Quantile } from "./ddsketch.ts";
import { Edge } from "./edge.ts";
import { Distinct } from "./hyperloglog.ts";
import { Count, Extreme, Mean, Sum, Variance } from "./numbers.ts";
import { TopK } from "./space-saving.ts";

/** Longest JSON of what `first` and `last` keep; longest text of `distinct` and `topK`. */
const KEPT_LENGTH_MAX = 4096;

/** The input cannot be aggregated: its event is a dead letter. */
export const WRONG: unique symbol = Symbol("wrong input");
/** Nothing to add. */
export const NOTHING: unique symbol = Symbol("no input");

/** One kind of aggregate, with its parameter. */
export interface Aggregate {
  readonly kind: AggregateKind;
  /** What is added, or that it is wrong, or that there is nothing to add. */
  check(input: unknown): unknown;
  /** A new accumulator, or one that goes on from what was saved. */
  start(saved?: Saved): Accumulator;
  /** Whether its accumulators grow. */
  readonly grows: boolean;
  /** Bytes of a new accumulator, or of any if it does not grow. */
  readonly bytes: number;
}

const number = (input: unknown): unknown =>
  typeof input === "number" && Number.isFinite(input)
    ? input
    : input === null || input === undefined
      ? NOTHING
      : WRONG;

const truth = (input: unknown): unknown => (typeof input === "boolean" ? input : WRONG);

function text(input: unknown): unknown {
  if (input === null || input === undefined) return NOTHING;
  if (typeof input === "string") return input.length <= KEPT_LENGTH_MAX ? input : WRONG;
  return typeof input === "boolean" || (typeof input === "number" && Number.isFinite(input))
    ? String(input)
    : WRONG;
}

function kept(input: unknown): unknown {
  if (input === undefined) return null;
  if (typeof input === "boolean" || input === null) return input;
  if (typeof input === "number") return Number.isFinite(input) ? input : WRONG;
  const json = JSON.stringify(input) as string | undefined;
  if (json === undefined || json.length > KEPT_LENGTH_MAX) return WRONG;
  // A copy: what is kept must not change with the event, and must be what its save will say.
  return typeof input === "string" ? input : JSON.parse(json);
}

type Row = readonly [
  check: (input: unknown) => unknown,
  start: (parameter: number, saved?: Saved) => Accumulator,
  grows?: true,
];

const TABLE: Readonly<Record<AggregateKind, Row>> = {
  count: [truth, (_, saved) => new Count(saved)],
  sum: [number, (_, saved) => new Sum(saved)],
  min: [number, (_, saved) => new Extreme(-1, saved)],
  max: [number, (_, saved) => new Extreme(1, saved)],
  mean: [number, (_, saved) => new Mean(saved)],
  variance: [number, (_, saved) => new Variance(false, saved)],
  deviation: [number, (_, saved) => new Variance(true, saved)],
  first: [kept, (_, saved) => new Edge(false, saved), true],
  last: [kept, (_, saved) => new Edge(true, saved), true],
  distinct: [text, (_, saved) => new Distinct(saved), true],
  quantile: [number, (q, saved) => new Quantile(q, saved), true],
  topK: [text, (k, saved) => new TopK(k, saved), true],
};

/** Names of all aggregates. */
export const AGGREGATES = Object.keys(TABLE) as readonly AggregateKind[];

export function aggregateOf({ aggregate, parameter = 0 }: AggregateDefinition): Aggregate {
  const [check, start, grows = false] = TABLE[aggregate];
  return {
    kind: aggregate,
    check,
    start: (saved) => start(parameter, saved),
    grows,
    bytes: start(parameter).bytes,
  };
}
