// Owns: what a node of `holdfast dev` tells the page of pipelines: figures twice a second, and the
// newest records, on channels of the node itself.
import type { ContractDefinition } from "@holdfast/contract";
import {
  LIVE_FIGURES,
  LIVE_RECORDS,
  type LiveFigures,
  type LiveOutput,
  type LivePipeline,
  type LiveRecord,
  type LiveRecords,
} from "@holdfast/demo";
import {
  declaredPipelines,
  declaredSources,
  type LogSourceDefinition,
  outputsOf,
  type PipelineDefinition,
  type SeenRecord,
  type SinkFigures,
} from "@holdfast/pipelines";
import type { HoldfastNode, ProcessingFigures } from "@holdfast/server";
import { stepTexts } from "../pipeline/describe.ts";

const FIGURES_MS = 500;
const RECORDS_MS = 250;
/** Records of one pipeline and kind in each of those; the others are counted. */
const RECORDS_MAX = 12;
const TEXT_MAX = 300;

/** Undefined if there is nothing to look at; then the contract stays as it is. */
export function liveOf(
  contract: ContractDefinition,
  others: LiveDefinitions,
): { readonly contract: ContractDefinition; readonly live: LiveView | undefined } {
  const [pipelines, sources] = [declaredPipelines(contract), declaredSources(contract)];
  const definitions = {
    pipelines: new Map([...(pipelines.ok ? pipelines.pipelines : []), ...others.pipelines]),
    sources: new Map([...(sources.ok ? sources.sources : []), ...others.sources]),
  };
  if (definitions.pipelines.size + definitions.sources.size === 0)
    return { contract, live: undefined };
  return { contract: withLiveChannels(contract), live: new LiveView(definitions) };
}

/** The application's contract with the channels of the page, which come first. */
const withLiveChannels = (contract: ContractDefinition): ContractDefinition => {
  const permissions = { subscribe: "anyone", history: "anyone", publish: "nobody" } as const;
  return {
    ...contract,
    channels: {
      [LIVE_FIGURES]: { class: "latest", history: { size: 32, ttlMs: 60_000 }, permissions },
      [LIVE_RECORDS]: { history: { size: 200, ttlMs: 600_000 }, permissions },
      ...contract.channels,
    },
  };
};

export interface LiveDefinitions {
  readonly pipelines: ReadonlyMap<string, PipelineDefinition>;
  readonly sources: ReadonlyMap<string, LogSourceDefinition>;
}

/** Its memory is bounded by `RECORDS_MAX` for each pipeline, whatever passes. */
export class LiveView {
  readonly #definitions: LiveDefinitions;
  #newest = new Map<string, LiveRecord[]>();
  #skipped: Record<string, number> = {};
  #timers: ReturnType<typeof setInterval>[] = [];

  constructor(definitions: LiveDefinitions) {
    this.#definitions = definitions;
  }

  /** For `NodeOptions.seen`. */
  seen({ pipeline, partition, of, record }: SeenRecord): void {
    const group = `${pipeline} ${of}`;
    const newest = this.#newest.get(group) ?? [];
    if (newest.length === 0) this.#newest.set(group, newest);
    // Of many, the first ones: what comes behind them is counted, and not even made.
    if (newest.length >= RECORDS_MAX) {
      this.#skipped[pipeline] = (this.#skipped[pipeline] ?? 0) + 1;
      return;
    }
    const { id, key, timeMs, value } = record;
    const shown = of === "dead" ? (value as { readonly value?: unknown })?.value : value;
    const text = (JSON.stringify(shown) ?? "null").slice(0, TEXT_MAX);
    const reason = of === "dead" ? reasonOf(value) : undefined;
    newest.push({
      ...{ id, pipeline, of, partition, key: key.slice(0, 200), timeMs, text },
      ...(reason === undefined ? {} : { reason }),
    });
  }

  start(node: HoldfastNode): void {
    const say = (channel: string, value: unknown, key?: string): void => {
      const payload = { kind: "json", text: JSON.stringify(value) } as const;
      // Nobody sees what is not said: the next one comes soon.
      void node.control
        .publish(channel, { payload, ...(key === undefined ? {} : { key }) })
        .catch(() => {});
    };
    const figures = setInterval(
      () => say(LIVE_FIGURES, this.#figures(node), node.id.slice(0, 128)),
      FIGURES_MS,
    );
    const records = setInterval(() => {
      const some = this.#take(node.id);
      if (some !== undefined) say(LIVE_RECORDS, some);
    }, RECORDS_MS);
    this.#timers = [figures, records];
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  #take(node: string): LiveRecords | undefined {
    if (this.#newest.size === 0) return undefined;
    const records = [...this.#newest.values()].flat();
    const skipped = this.#skipped;
    this.#newest = new Map();
    this.#skipped = {};
    return { node, records, skipped };
  }

  #figures(node: HoldfastNode): LiveFigures {
    const figures = node.processing();
    return {
      node: node.id,
      timeMs: Date.now(),
      pipelines: this.#pipelines(figures),
      sources: figures.sources.map(({ dead, ...now }) => {
        const { name, isReading, isRefused, isHeldBack, published, lag } = now;
        const definition = this.#definitions.sources.get(name);
        return {
          ...{ name, isReading, isRefused, isHeldBack, published, lag },
          ...{ kind: definition?.source ?? "", channel: definition?.channel ?? "" },
          dead: Object.values(dead).reduce((sum, count) => sum + count, 0),
        };
      }),
    };
  }

  #pipelines({ pipelines, sinks }: ProcessingFigures): readonly LivePipeline[] {
    return pipelines.flatMap((now) => {
      const definition = this.#definitions.pipelines.get(now.name);
      if (definition === undefined) return [];
      const { name, version, partitions, holds, totals, lag, lagMs } = now;
      const { channels, keys, stateBytes, heldBack, refused } = now;
      return {
        ...{ name, version, partitions, holds, lag, lagMs, channels, keys, stateBytes, heldBack },
        source: definition.source.pattern,
        steps: stepTexts(definition.steps),
        events: { ...totals.events },
        // Without windows, what passes to the end is the result.
        results: totals.results.received + totals.events.passed,
        deadBy: { ...totals.deadBy },
        lost: totals.told.lost,
        ...(refused === undefined ? {} : { refused }),
        outputs: outputsLive(name, definition, sinks),
      };
    });
  }
}

function outputsLive(
  pipeline: string,
  definition: PipelineDefinition,
  sinks: readonly SinkFigures[],
): readonly LiveOutput[] {
  return outputsOf(definition).map(({ of, sink }, index): LiveOutput => {
    const own = sinks.find((one) => one.pipeline === pipeline && one.output === index);
    const named = { index, of, sink: sink.sink, target: targetOf(sink.options) };
    if (own === undefined) return named;
    const { breaker, delivered, refused, failures, queued, oldestMs, lastError } = own;
    const now = { breaker, delivered, refused, failures, queued, oldestMs };
    return { ...named, now: lastError === undefined ? now : { ...now, lastError } };
  });
}

/** Names of targets stand in these options; none of them is a secret. */
const TARGETS = ["channel", "topic", "subject", "stream", "table", "path"] as const;

function targetOf(options: Readonly<Record<string, unknown>>): string {
  for (const name of TARGETS) {
    const found = options[name];
    if (typeof found === "string") return found.slice(0, 120);
  }
  const { url } = options;
  return typeof url === "string" && URL.canParse(url) ? new URL(url).host : "";
}

function reasonOf(value: unknown): string | undefined {
  const { reason, step, error } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const parts = [reason, step, error].filter((part) => typeof part === "string" && part !== "");
  return parts.length === 0 ? undefined : parts.join(" · ").slice(0, TEXT_MAX);
}
