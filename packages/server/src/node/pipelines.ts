// Owns: the pipelines of a node, as the runner's ports need the node.
import type { Contract, ContractDefinition } from "@holdfast/contract";
import type { Broker, Clock, NodeEngine, Random } from "@holdfast/core";
import {
  channelAdapter,
  declaredPipelines,
  outputsOf,
  type PipelineDefinition,
  PipelineRunner,
  pipelineProblems,
  RUNNER_KINDS,
  type SeenRecord,
  type SinkAdapter,
  tablesOf,
} from "@holdfast/pipelines";
import { payloadFromValue } from "@holdfast/protocol/node";
import type { ServerEvents } from "../events.ts";
import { PAYLOAD_VALUES } from "./contract.ts";
import { StartError } from "./start-error.ts";

export interface PipelineParts {
  readonly id: string;
  readonly engine: NodeEngine;
  readonly broker: Broker;
  readonly contract: Contract;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: ServerEvents;
  /** Sinks beside `channel`. */
  readonly adapters: readonly SinkAdapter[];
  readonly secret: (name: string) => string | undefined;
  /** Told of each record that goes to a sink. */
  readonly seen?: ((seen: SeenRecord) => void) | undefined;
}

/** Those of the contract and `others`. Throws StartError with every problem of the definitions. */
export function nodePipelines(
  definition: ContractDefinition | undefined,
  others: ReadonlyMap<string, PipelineDefinition>,
  parts: PipelineParts,
): PipelineRunner {
  const declared = declaredPipelines(definition ?? {});
  if (!declared.ok) throw new StartError("contract_invalid", declared.problems);
  const twice = [...others.keys()].filter((name) => declared.pipelines.has(name));
  if (twice.length > 0)
    throw new StartError("contract_invalid", [
      `Cannot use pipeline "${twice[0]}": found it in the contract and in option pipelines`,
    ]);
  const pipelines = new Map([...declared.pipelines, ...others]);
  const { engine, broker, contract, events } = parts;
  const text = { encoder: new TextEncoder(), decoder: new TextDecoder() };
  const adapters = [channelSink(parts), ...parts.adapters];
  const problems = [...pipelines].flatMap(([name, definition]) => [
    ...pipelineProblems(name, definition),
    ...wiringProblems(name, definition, { contract, adapters }),
  ]);
  if (problems.length > 0) throw new StartError("contract_invalid", problems);
  const streamOf = (channel: string) => {
    const rules = contract.resolve(channel);
    if (rules === undefined) throw new StartError("contract_invalid", [`no channel ${channel}`]);
    return rules.stream;
  };
  const runner = new PipelineRunner(
    {
      node: parts.id,
      clock: parts.clock,
      random: parts.random,
      states: broker.states,
      bus: broker.bus,
      codec: {
        encode: (value) => text.encoder.encode(value),
        decode: (bytes) => text.decoder.decode(bytes),
      },
      values: PAYLOAD_VALUES,
      adapters,
      secret: parts.secret,
      ...(parts.seen === undefined ? {} : { seen: parts.seen }),
      observer: observerOf(events),
      isServing: () => engine.state === "ready",
      tap: (channel, options) => {
        const outcome = engine.tap(channel, options);
        return outcome.ok ? outcome.value : outcome.message;
      },
      resolve: (channel) => contract.resolve(channel),
      channels: (query) => broker.channels(query),
      history: async (channel, query) => broker.history(channel, streamOf(channel), query),
    },
    pipelines,
  );
  if (pipelines.size > 0)
    broker.bus.listen((message) => {
      if ((RUNNER_KINDS as readonly string[]).includes(message.kind)) runner.heard(message);
    });
  return runner;
}

function channelSink({ engine, contract }: PipelineParts): SinkAdapter {
  return channelAdapter({
    publish: (channel, { value, key, idempotencyKey }) =>
      engine.publish(channel, {
        payload: payloadFromValue(value, "json"),
        idempotencyKey,
        ...(key === undefined ? {} : { key }),
      }),
    classOf: (channel) => contract.resolve(channel)?.stream.cls,
  });
}

/** Sources, tables and sinks that this node does not have. */
function wiringProblems(
  name: string,
  definition: PipelineDefinition,
  { contract, adapters }: Pick<PipelineParts, "contract" | "adapters">,
): string[] {
  const problems: string[] = [];
  const say = (what: string, found: string, expected: string): void =>
    void problems.push(
      `Cannot use pipeline "${name}": ${what}: found ${found}, expected ${expected}`,
    );
  const { pattern } = definition.source;
  const source = pattern.includes("{")
    ? contract.patterns.includes(pattern)
    : contract.resolve(pattern) !== undefined;
  if (!source) say("its source", pattern, "a pattern or a channel of the contract");
  else if (!pattern.includes("{") && contract.resolve(pattern)?.stream.cls === "volatile")
    say("its source", `the volatile channel ${pattern}`, "one with a history");
  for (const table of tablesOf(definition))
    if (table.kind === "latest" && contract.resolve(table.channel)?.stream.cls !== "latest")
      say("a join", table.channel, "a latest channel of the contract");
  for (const { sink } of outputsOf(definition)) {
    const adapter = adapters.find(({ kind }) => kind === sink.sink);
    if (adapter === undefined)
      say("a sink", sink.sink, adapters.map(({ kind }) => kind).join(" or "));
    else for (const problem of adapter.problems(sink.options)) say("a sink", problem, "no problem");
  }
  return problems;
}

function observerOf(events: ServerEvents) {
  return {
    taken: (pipeline: string, partition: number) => events.pipelineTaken({ pipeline, partition }),
    released: (pipeline: string, partition: number, why: string) =>
      events.pipelineReleased({ pipeline, partition, why }),
    refused: (pipeline: string, partition: number, reason: string) =>
      events.pipelineRefused({ pipeline, partition, reason }),
    sinkFailed: (pipeline: string, partition: number, sink: string, reason: string) =>
      events.sinkFailed({ pipeline, partition, sink, reason }),
    commitFailed: (pipeline: string, partition: number, reason: string) =>
      events.pipelineCommitFailed({ pipeline, partition, reason }),
    gap: (pipeline: string, channel: string, lost: number | null) =>
      events.pipelineGap({ pipeline, channel, lost: lost ?? "unknown" }),
    bug: (where: string, error: unknown) => events.bug({ where, error }),
  };
}
