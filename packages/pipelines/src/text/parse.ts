// Owns: pipelines as plain data, from YAML or JSON: the same steps as those of the builder.

import { AGGREGATES } from "../aggregate/aggregates.ts";
import * as detectors from "../define/detectors.ts";
import { durationMs } from "../define/duration.ts";
import type {
  AggregateDefinition,
  AggregateKind,
  DetectorRules,
  KeyValue,
  OnChange,
  PipelineDefinition,
  Step,
  WindowRules,
} from "../define/types.ts";
import * as windows from "../define/windows.ts";
import type { SinkDefinition } from "../sink.ts";
import type { LogSourceDefinition } from "../source.ts";
import { type Data, Reader } from "./reader.ts";

export type ParsedPipelines =
  | {
      readonly ok: true;
      readonly pipelines: ReadonlyMap<string, PipelineDefinition>;
      readonly sources: ReadonlyMap<string, LogSourceDefinition>;
    }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * `data`: what a YAML or JSON file says; its members `pipelines` and `sources` have one object for
 * each name.
 */
export function parsePipelines(data: unknown): ParsedPipelines {
  const problems: string[] = [];
  const root = new Reader(data, "the file", problems);
  // A file may have either; with neither, it says what is missing.
  const each = <T>(member: string, read: (reader: Reader) => T): ReadonlyMap<string, T> => {
    const all = root.child(member);
    return new Map(
      all.keys.map((name) => [
        name,
        read(new Reader(all.any(name), `${member}.${name}`, problems)),
      ]),
    );
  };
  const hasSources = root.has("sources");
  const sources = hasSources ? each("sources", sourceOf) : new Map<string, LogSourceDefinition>();
  const pipelines =
    hasSources && !root.has("pipelines")
      ? new Map<string, PipelineDefinition>()
      : each("pipelines", pipelineOf);
  root.done();
  return problems.length > 0 ? { ok: false, problems } : { ok: true, pipelines, sources };
}

/** `kafka: {...}` or `nats: {...}`, and where records go. */
function sourceOf(reader: Reader): LogSourceDefinition {
  const channel = reader.text("channel");
  const more = Object.fromEntries(
    SOURCE_TEXTS.filter((name) => reader.has(name)).map((name) => [name, reader.text(name)]),
  );
  const kinds = reader.keys.filter((name) => name !== "channel" && !SOURCE_TEXTS.includes(name));
  const [kind = ""] = kinds;
  if (kinds.length !== 1) reader.say(reader.path, kinds, "kafka or nats with its options");
  const options = reader.any(kind);
  if (typeof options !== "object" || options === null || Array.isArray(options))
    reader.say(`${reader.path}.${kind}`, options, "options of the source");
  return { source: kind, options: (options ?? {}) as Data, channel, ...more };
}

/** Members of a source beside its kind. Their values are checked by `sourceProblems`. */
const SOURCE_TEXTS: readonly string[] = ["key", "dead", "encoding", "start"];

function pipelineOf(reader: Reader): PipelineDefinition {
  const partitionBy = reader.has("partitionBy")
    ? reader.list("partitionBy").map(String)
    : undefined;
  const definition: PipelineDefinition = {
    kind: "pipeline",
    source: { pattern: reader.text("from") },
    steps: stepsOf(reader, "steps"),
    late: reader.has("late") ? sinkOf(reader.child("late")) : undefined,
    dead: reader.has("dead") ? sinkOf(reader.child("dead")) : undefined,
    version: reader.number("version", 1),
    onChange: reader.text("onChange", "refuse") as OnChange,
    partitions: reader.number("partitions", 1),
    partitionBy,
    start: reader.text("start", "new") === "oldest" ? "oldest" : "new",
  };
  reader.done();
  return definition;
}

function stepsOf(reader: Reader, name: string): Step[] {
  return reader.list(name).flatMap((step, i) => {
    const where = `${reader.path}.${name}[${i}]`;
    try {
      return stepOf(new Reader(step, where, reader.problems));
    } catch (error) {
      reader.problems.push(`${where}: ${error instanceof Error ? error.message : String(error)}`);
      return [];
    }
  });
}

function stepOf(step: Reader): Step[] {
  const [kind = ""] = step.keys;
  const make = Object.hasOwn(STEPS, kind) ? STEPS[kind] : undefined;
  if (make === undefined) {
    step.say(step.path, kind, `one of ${Object.keys(STEPS).join(", ")}`);
    return [];
  }
  const made = make(step);
  step.done();
  return [made];
}

const STEPS: Readonly<Record<string, (step: Reader) => Step>> = {
  filter: (step) => ({ kind: "filter", keep: step.of("filter") }),
  map: (step) => ({ kind: "map", make: step.of("map") }),
  flatMap: (step) => ({ kind: "flatMap", make: step.of("flatMap") }),
  sample: (step) => ({ kind: "sample", share: step.number("sample") }),
  to: (step) => ({ kind: "to", sink: sinkOf(step.child("to")) }),
  dedupe: (step) => {
    const dedupe = step.child("dedupe");
    const made: Step = {
      kind: "dedupe",
      by: dedupe.key("by") ?? (() => ""),
      withinMs: durationMs(dedupe.text("within", "10m"), `${dedupe.path}.within`, 1),
      keysMax: dedupe.number("keysMax", 20_000),
    };
    dedupe.done();
    return made;
  },
  throttle: (step) => {
    const throttle = step.child("throttle");
    const made: Step = {
      kind: "throttle",
      by: throttle.key("by"),
      events: throttle.number("events"),
      perMs: durationMs(throttle.text("per"), `${throttle.path}.per`, 1),
      keysMax: throttle.number("keysMax", 20_000),
    };
    throttle.done();
    return made;
  },
  join: (step) => {
    const join = step.child("join");
    const name = join.text("as");
    const made: Step = {
      kind: "lookup",
      table: {
        kind: "latest",
        channel: join.text("latest"),
        keysMax: join.number("keysMax", 10_000),
      },
      by: join.of("by"),
      merge: (value: object, found: unknown) => ({ ...value, [name]: found ?? null }),
    };
    join.done();
    return made;
  },
  branch: (step) => {
    const branch = step.child("branch");
    const names = branch.keys.map((name) => [name, stepsOf(branch, name)]);
    return { kind: "branch", branches: Object.fromEntries(names) };
  },
  window: (step) => {
    const rules = windowOf(step.child("window"));
    const aggregate = step.child("aggregate");
    const aggregates = aggregate.keys.map((name) => [name, aggregateOf(aggregate, name)]);
    return { kind: "window", rules, aggregates: Object.fromEntries(aggregates) };
  },
  detect: (step) => ({ kind: "detect", rules: detectorOf(step.child("detect")) }),
};

type Any = never;

function options(reader: Reader): windows.WindowOptions<Any, Any, KeyValue> {
  const time = reader.maybe<number | string>("time");
  const key = reader.key("key");
  return {
    ...(time === undefined ? {} : { time }),
    ...(key === undefined ? {} : { key }),
    ...reader.duration("lateness"),
    ...reader.duration("idle"),
    ...reader.duration("ahead"),
    ...(reader.has("keysMax") ? { keysMax: reader.number("keysMax") } : {}),
    ...(reader.has("bytesMax") ? { bytesMax: reader.number("bytesMax") } : {}),
  };
}

function windowOf(reader: Reader): WindowRules {
  const common = options(reader);
  const text = (name: string): `${number}s` => reader.text(name) as `${number}s`;
  const made = (): WindowRules => {
    if (reader.has("tumbling")) return windows.tumbling(text("tumbling"), common).rules;
    if (reader.has("hopping")) return windows.hopping(text("hopping"), text("every"), common).rules;
    if (reader.has("sliding")) {
      const eventsMax = reader.number("eventsMax", 1000);
      return windows.sliding(text("sliding"), { ...common, eventsMax }).rules;
    }
    if (reader.has("session"))
      return windows.session(text("session"), { ...common, ...reader.duration("longest") }).rules;
    if (!reader.has("counting"))
      reader.say(reader.path, reader.keys, "tumbling, hopping, sliding, session or counting");
    const forget = reader.duration("forget");
    return windows.counting(reader.number("counting", 1), { ...common, ...forget }).rules;
  };
  const rules = made();
  reader.done();
  return rules;
}

function aggregateOf(reader: Reader, name: string): AggregateDefinition {
  const found = reader.any(name);
  if (found === "count") return { aggregate: "count" };
  const child = new Reader(found, `${reader.path}.${name}`, reader.problems);
  const [kind = ""] = child.keys;
  if (!(AGGREGATES as readonly string[]).includes(kind))
    child.say(child.path, kind, `one of ${AGGREGATES.join(", ")}`);
  const made: AggregateDefinition = {
    aggregate: kind as AggregateKind,
    of: child.of(kind),
    ...(kind === "quantile" ? { parameter: child.number("q") } : {}),
    ...(kind === "topK" ? { parameter: child.number("k") } : {}),
  };
  child.done();
  return made;
}

function detectorOf(reader: Reader): DetectorRules {
  const common = { ...options(reader), ...reader.duration("forget") };
  const limit = (name: string): Data => (reader.has(name) ? { [name]: reader.number(name) } : {});
  const sides = (): { readonly above: number } =>
    ({
      ...limit("above"),
      ...limit("below"),
      ...limit("clearBelow"),
      ...limit("clearAbove"),
    }) as unknown as { readonly above: number };
  const made = (): DetectorRules => {
    if (reader.has("threshold")) {
      const value = reader.of<number>("threshold");
      const more = { ...common, ...sides(), ...reader.duration("for"), value };
      return detectors.threshold(more).rules;
    }
    if (reader.has("rate")) {
      const value = reader.of<number>("rate");
      return detectors.rateOfChange({ ...common, ...sides(), ...reader.duration("per"), value })
        .rules;
    }
    if (reader.has("absence"))
      return detectors.absence(reader.text("absence") as `${number}s`, common).rules;
    const steps = new Reader(
      Object.fromEntries(reader.list("sequence").map((step, i) => [String(i), step])),
      `${reader.path}.sequence`,
      reader.problems,
    );
    const within = reader.text("within") as `${number}s`;
    const all = steps.keys.map((i) => steps.of<boolean>(i));
    return detectors.sequence({ ...common, steps: all, within }).rules;
  };
  const rules = made();
  reader.done();
  return rules;
}

/** `{ channel: "heat:{site}" }`, or any other kind with its options. */
function sinkOf(reader: Reader): SinkDefinition {
  const kinds = reader.keys.filter((name) => name !== "batching" && name !== "key");
  const [kind = ""] = kinds;
  if (kinds.length !== 1) reader.say(reader.path, kinds, "one kind of sink");
  const found = reader.any(kind);
  const own = kind === "channel" && typeof found === "string" ? { channel: found } : found;
  if (typeof own !== "object" || own === null) reader.say(reader.path, own, "options of the sink");
  const key = reader.has("key") ? { key: reader.text("key") } : {};
  const batching = reader.has("batching") ? (reader.any("batching") as Data) : undefined;
  reader.done();
  const sink = { sink: kind, options: { ...(own as Data), ...key } };
  return batching === undefined ? sink : { ...sink, batching };
}
