// Owns: what a pipeline consists of, as data: its source, its steps, and the functions in them.
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { SinkDefinition } from "../sink.ts";

/** What the functions of a pipeline know of an event beside its value. */
export interface About<P = Readonly<Record<string, string>>> {
  /** Channel that it came from; of a result, the source's pattern. */
  readonly channel: string;
  /** Parameters of the channel; behind a window, the parts of its key. */
  readonly params: P;
  /** When the broker took it, in ms since the Unix epoch; of a result, its event time. */
  readonly timeMs: number;
  /** Key of the window or detector that made it; of a publication, its own. */
  readonly key?: string;
  /** User that published it. */
  readonly user?: string;
}

/** A function of an event. It MUST be pure: the same event, the same answer, and no effects. */
export type Of<V, P, R> = (value: V, about: About<P>) => R;

/** What keys may be: a text, a number, or named parts of them. At most 256 characters as text. */
export type KeyValue = string | number | { readonly [part: string]: string | number };

/** Where events come from: every channel that matches the pattern. */
export interface SourceDefinition<P = unknown, V = unknown> {
  readonly pattern: string;
  /** Never there: they carry the types. */
  readonly gives?: { readonly params: P; readonly value: V };
}

/** How a window cuts the stream of a key into parts. All times are event times. */
export type WindowShape =
  | { readonly kind: "tumbling"; readonly sizeMs: number }
  | { readonly kind: "hopping"; readonly sizeMs: number; readonly everyMs: number }
  | { readonly kind: "sliding"; readonly sizeMs: number; readonly eventsMax: number }
  | { readonly kind: "session"; readonly gapMs: number; readonly longestMs: number }
  | { readonly kind: "counting"; readonly events: number; readonly forgetMs: number };

/** Bounds of what a step keeps. */
export interface KeyBounds {
  /** Keys at most, in one partition. */
  readonly keysMax: number;
  /** Bytes of state at most, roughly, in one partition. */
  readonly bytesMax: number;
}

/** How event time is read and how long stragglers are waited for. */
export interface TimeRules {
  /** Absent: when the broker took the event. */
  readonly time: Of<never, never, number | string> | undefined;
  readonly latenessMs: number;
  /** A channel without events for so long does not hold back the others. */
  readonly idleMs: number;
  /** Events further ahead of the broker's clock are dead letters. */
  readonly aheadMsMax: number;
}

/** One window, without its types. */
export interface WindowRules extends KeyBounds, TimeRules {
  readonly shape: WindowShape;
  readonly key: Of<never, never, KeyValue> | undefined;
}

/** What is computed of a window's events. `R` is the type of the answer. */
export interface AggregateDefinition<in V = never, out R = unknown, in P = never> {
  readonly aggregate: AggregateKind;
  readonly of?: Of<V, P, unknown>;
  /** quantile: from 0 to 1. topK: how many. */
  readonly parameter?: number;
  /** Never there: it carries the type. */
  readonly gives?: R;
}

/** Every kind of aggregate. */
export type AggregateKind =
  | "count"
  | "sum"
  | "min"
  | "max"
  | "mean"
  | "variance"
  | "deviation"
  | "first"
  | "last"
  | "distinct"
  | "quantile"
  | "topK";

/** What is looked for in the stream of a key, without its types. */
export type DetectorRules = KeyBounds & {
  readonly key: Of<never, never, KeyValue> | undefined;
  readonly forgetMs: number;
} & TimeRules &
  (
    | {
        readonly kind: "threshold";
        readonly of: Of<never, never, number>;
        readonly side: "above" | "below";
        readonly raise: number;
        readonly clear: number;
        readonly forMs: number;
      }
    | { readonly kind: "absence"; readonly afterMs: number }
    | {
        readonly kind: "rate";
        readonly of: Of<never, never, number>;
        readonly perMs: number;
        readonly side: "above" | "below";
        readonly raise: number;
        readonly clear: number;
      }
    | {
        readonly kind: "sequence";
        readonly steps: readonly Of<never, never, boolean>[];
        readonly withinMs: number;
      }
  );

/** One step of a pipeline, without its types. */
export type Step =
  | { readonly kind: "validate"; readonly schema: StandardSchemaV1 }
  | { readonly kind: "filter"; readonly keep: Of<never, never, boolean> }
  | { readonly kind: "map"; readonly make: Of<never, never, unknown> }
  | { readonly kind: "flatMap"; readonly make: Of<never, never, Iterable<unknown>> }
  | {
      readonly kind: "dedupe";
      readonly by: Of<never, never, KeyValue>;
      readonly withinMs: number;
      readonly keysMax: number;
    }
  | {
      readonly kind: "throttle";
      readonly by: Of<never, never, KeyValue> | undefined;
      readonly events: number;
      readonly perMs: number;
      readonly keysMax: number;
    }
  | { readonly kind: "sample"; readonly share: number }
  | {
      readonly kind: "lookup";
      /** Of the pipeline: tables are asked by this number. */
      readonly table: TableDefinition;
      readonly by: Of<never, never, string>;
      readonly merge: (value: never, found: never, about: About<never>) => unknown;
    }
  | {
      readonly kind: "window";
      readonly rules: WindowRules;
      readonly aggregates: Readonly<Record<string, AggregateDefinition>>;
    }
  | { readonly kind: "detect"; readonly rules: DetectorRules }
  | { readonly kind: "branch"; readonly branches: Readonly<Record<string, readonly Step[]>> }
  | { readonly kind: "to"; readonly sink: SinkDefinition };

/** Where a lookup's answers come from. Both are bounded; nothing of it is kept state. */
export type TableDefinition =
  /** The newest publication for each key of a `latest` channel, as the node knows it. */
  | { readonly kind: "latest"; readonly channel: string; readonly keysMax: number }
  /** The application's own function. */
  | {
      readonly kind: "function";
      readonly find: (key: string) => unknown;
      readonly keysMax: number;
      readonly keepMs: number;
      readonly timeoutMs: number;
    };

/** What becomes of kept state that a new version of the pipeline cannot go on from. */
export type OnChange = "refuse" | "rebuild" | "discard";

/** A whole pipeline, as a contract has it. */
export interface PipelineDefinition {
  readonly kind: "pipeline";
  readonly source: SourceDefinition;
  readonly steps: readonly Step[];
  /** Where late events and dead letters go. Absent: they are counted alone. */
  readonly late: SinkDefinition | undefined;
  readonly dead: SinkDefinition | undefined;
  readonly version: number;
  readonly onChange: OnChange;
  readonly partitions: number;
  /** Parameters of the source that say which partition a channel belongs to. */
  readonly partitionBy: readonly string[] | undefined;
  /** Where a partition begins that has no state: with what is kept, or with what comes. */
  readonly start: "oldest" | "new";
}
