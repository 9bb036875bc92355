// Owns: the builder of pipelines, typed from the source's schema to the sinks.
import type { ParamsOf } from "@holdfast/contract";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { SinkDefinition } from "../sink.ts";
import type { DetectorDefinition } from "./detectors.ts";
import { type Duration, durationMs } from "./duration.ts";
import type {
  About,
  AggregateDefinition,
  KeyValue,
  Of,
  OnChange,
  PipelineDefinition,
  SourceDefinition,
  Step,
  TableDefinition,
} from "./types.ts";
import type { WindowDefinition } from "./windows.ts";

/**
 * Events of every channel that matches the pattern. The schema gives the values their type; the
 * channel has checked them when they were published.
 */
export function from<const Pattern extends string, S extends StandardSchemaV1 = StandardSchemaV1>(
  pattern: Pattern,
  _schema?: S,
): SourceDefinition<ParamsOf<Pattern>, StandardSchemaV1.InferOutput<S>> {
  return { pattern };
}

/** Names in braces of a channel template. */
export type TemplateNames<T extends string> = string extends T
  ? never
  : T extends `${string}{${infer Name}}${infer Rest}`
    ? Name | TemplateNames<Rest>
    : never;

/** Names that a template may use: parameters, and the value's members that are text or number. */
type NamesIn<V, P> =
  | keyof P
  | { [K in keyof V]: V[K] extends string | number ? K : never }[keyof V];

/** A channel as a sink. `Names`: what its template needs. */
export interface ChannelSink<in out Names extends string> extends SinkDefinition {
  readonly sink: "channel";
  /** Never there: it carries the type. */
  readonly names?: Names;
}

/**
 * Publishes each record to a channel of the contract. Names in braces are parameters of the source,
 * parts of the key, or members of the value. `key`: for a `latest` channel; default the record's.
 */
export function channel<const Template extends string>(
  template: Template,
  options: { readonly key?: string } = {},
): ChannelSink<TemplateNames<Template>> {
  return { sink: "channel", options: { channel: template, ...options } };
}

/** A window's result: its key, its bounds in event time, and what was computed. */
export type WindowResult<K, A> = {
  readonly key: K;
  /** Included. */
  readonly fromMs: number;
  /** Not included; of sliding and counting windows it is the last event's time. */
  readonly toMs: number;
} & { readonly [N in keyof A]: A[N] extends AggregateDefinition<never, infer R> ? R : never };

/** Parameters behind a window: the parts of the key. */
export type KeyParams<K> = K extends object
  ? { readonly [N in keyof K]: string }
  : { readonly key: string };

/** The newest publications of a `latest` channel, by key, as the node knows them. */
export function latest<V = unknown>(
  channelName: string,
  options: { readonly schema?: StandardSchemaV1<unknown, V>; readonly keysMax?: number } = {},
): LookupTable<V> {
  const { keysMax = 10_000 } = options;
  return { table: { kind: "latest", channel: channelName, keysMax } };
}

/**
 * An application's own function, such as a query. Answers are kept for `keep` (default 1 minute),
 * `keysMax` of them (default 10,000). An event is a dead letter if three attempts fail.
 */
export function lookup<V>(
  find: (key: string) => V | undefined | Promise<V | undefined>,
  options: {
    readonly keysMax?: number;
    readonly keep?: Duration;
    readonly timeout?: Duration;
  } = {},
): LookupTable<V> {
  const { keysMax = 10_000, keep = "1m", timeout = "5s" } = options;
  const keepMs = durationMs(keep, "a lookup's time to keep");
  const timeoutMs = durationMs(timeout, "a lookup's timeout", 1);
  return { table: { kind: "function", find, keysMax, keepMs, timeoutMs } };
}

/** What `join` and `enrich` look into. */
export interface LookupTable<out V> {
  readonly table: TableDefinition;
  /** Never there: it carries the type. */
  readonly holds?: V;
}

/** How a pipeline is spread and changed. */
export interface PipelineOptions<P> {
  /**
   * Parts that run by themselves, maybe on different nodes, from 1 (default) to 256. A key must not
   * have events in two of them.
   */
  readonly partitions?: number;
  /** Channels with equal parameters of these names share one. Default: each by itself. */
  readonly partitionBy?: readonly (keyof P & string)[];
  /** Higher for each version whose state or meaning differs, default 1. The highest one runs. */
  readonly version?: number;
  /**
   * Kept state that this version cannot go on from: `refuse` to run (default), `rebuild` from what
   * the channels keep, or `discard` it and go on from the position.
   */
  readonly onChange?: OnChange;
  /** Where it begins for the first time: `new` (default) or `oldest`, with what is kept. */
  readonly start?: "oldest" | "new";
}

/** Begins a pipeline. Every call of it answers a new one; nothing is changed. */
export function pipeline<P, V>(
  source: SourceDefinition<P, V>,
  options: PipelineOptions<P> = {},
): Stream<V, P> {
  return new Stream<V, P>({
    kind: "pipeline",
    source,
    steps: [],
    late: undefined,
    dead: undefined,
    version: options.version ?? 1,
    onChange: options.onChange ?? "refuse",
    partitions: options.partitions ?? 1,
    partitionBy: options.partitionBy,
    start: options.start ?? "new",
  });
}

/** A sink that takes these values: a channel whose template fits, or any other for the type. */
type SinkFor<V, P> = ChannelSink<NamesIn<V, P> & string> | ChannelSink<never> | SinkDefinition<V>;

/** Events of type `V` with parameters `P`, on their way through the steps. */
export class Stream<V, P> {
  /** What a contract has: the whole pipeline up to here. */
  readonly definition: PipelineDefinition;

  constructor(definition: PipelineDefinition) {
    this.definition = definition;
  }

  /** Events that do not fit the schema are dead letters. The schema MUST NOT be asynchronous. */
  validate<S extends StandardSchemaV1>(schema: S): Stream<StandardSchemaV1.InferOutput<S>, P> {
    return this.#with({ kind: "validate", schema });
  }

  filter<W extends V>(keep: (value: V, about: About<P>) => value is W): Stream<W, P>;
  filter(keep: Of<V, P, boolean>): Stream<V, P>;
  /** Keeps the events for which the function says true. */
  filter(keep: Of<V, P, boolean>): Stream<V, P> {
    return this.#with({ kind: "filter", keep });
  }

  map<W>(make: Of<V, P, W>): Stream<W, P> {
    return this.#with({ kind: "map", make });
  }

  /** Each event becomes as many as the function says, at most 10,000. */
  flatMap<W>(make: Of<V, P, Iterable<W>>): Stream<W, P> {
    return this.#with({ kind: "flatMap", make });
  }

  /**
   * Drops events whose key came before, within a time of the broker's clock (default 10 minutes).
   * It remembers `keysMax` keys (default 100,000); beyond that the oldest is forgotten.
   */
  dedupe(options: {
    readonly by: Of<V, P, KeyValue>;
    readonly within?: Duration;
    readonly keysMax?: number;
  }): Stream<V, P> {
    const withinMs = durationMs(options.within ?? "10m", "the time of dedupe", 1);
    const { by, keysMax = 100_000 } = options;
    return this.#with({ kind: "dedupe", by, withinMs, keysMax });
  }

  /** The first `events` of a key pass in each interval of the broker's clock. */
  throttle(options: {
    readonly events: number;
    readonly per: Duration;
    readonly by?: Of<V, P, KeyValue>;
    readonly keysMax?: number;
  }): Stream<V, P> {
    const perMs = durationMs(options.per, "the interval of throttle", 1);
    const { by, events, keysMax = 100_000 } = options;
    return this.#with({ kind: "throttle", by, events, perMs, keysMax });
  }

  /** Lets a share of the events pass, from 0 to 1: the same ones on every replay. */
  sample(share: number): Stream<V, P> {
    return this.#with({ kind: "sample", share });
  }

  /**
   * Joins each event with what a table has for its key; undefined if it has nothing. A step with
   * `lookup` must stand before every window, detector, dedupe, throttle and branch.
   */
  join<T, W>(
    table: LookupTable<T>,
    by: Of<V, P, string>,
    merge: (value: V, found: T | undefined, about: About<P>) => W,
  ): Stream<W, P> {
    return this.#with({ kind: "lookup", table: table.table, by, merge });
  }

  /** The events of each key, cut by event time. `aggregate` says what is computed of them. */
  window<K extends KeyValue>(window: WindowDefinition<V, P, K>): Windowed<V, P, K> {
    return {
      aggregate: <A extends Readonly<Record<string, AggregateDefinition<V, unknown, P>>>>(
        aggregates: A,
      ) =>
        this.#with<WindowResult<K, A>, KeyParams<K>>({
          kind: "window",
          rules: window.rules,
          aggregates: aggregates as Readonly<Record<string, AggregateDefinition>>,
        }),
    };
  }

  /** Findings of a detector instead of the events. */
  detect<R extends { readonly key: unknown }>(
    detector: DetectorDefinition<V, P, R>,
  ): Stream<R, KeyParams<R["key"]>> {
    return this.#with({ kind: "detect", rules: detector.rules });
  }

  /** The last step: each branch gets every event. */
  branch(branches: {
    readonly [name: string]: (stream: Stream<V, P>) => Stream<never, never> | AnyStream;
  }): Stream<never, never> {
    const empty = new Stream<V, P>({ ...this.definition, steps: [] });
    const made = Object.entries(branches).map(([name, make]) => [
      name,
      (make(empty) as AnyStream).definition.steps,
    ]);
    return this.#with({ kind: "branch", branches: Object.fromEntries(made) });
  }

  /** Hands each value to a sink. What stands behind it goes on with the same values. */
  to(sink: SinkFor<V, P>): Stream<V, P> {
    return this.#with({ kind: "to", sink: sink as SinkDefinition });
  }

  /** Where late events or dead letters go. Without it they are counted alone. */
  on(what: "late" | "dead", sink: ChannelSink<never> | SinkDefinition<unknown>): Stream<V, P> {
    return new Stream<V, P>({ ...this.definition, [what]: sink });
  }

  #with<W, Q = P>(step: Step): Stream<W, Q> {
    const { definition } = this;
    return new Stream<W, Q>({ ...definition, steps: [...definition.steps, step] });
  }
}

/** Any stream, whatever its types. */
export interface AnyStream {
  readonly definition: PipelineDefinition;
}

/** A window that waits to hear what is to be computed. */
export interface Windowed<V, P, K> {
  aggregate<A extends Readonly<Record<string, AggregateDefinition<V, unknown, P>>>>(
    aggregates: A,
  ): Stream<WindowResult<K, A>, KeyParams<K>>;
}
