// Owns: the sources of a node, as their ports need the node.
import type { Contract, ContractDefinition } from "@holdfast/contract";
import type { Broker, Clock, NodeEngine, Random } from "@holdfast/core";
import {
  declaredSources,
  type LogSourceDefinition,
  type NodeSources,
  type PipelineRunner,
  type SourcePorts,
  sourceProblems,
} from "@holdfast/pipelines";
import type { ServerEvents } from "../events.ts";
import { StartError } from "./start-error.ts";

/** What runs sources; it has the clients of logs. */
export interface SourceSupport {
  /** What is wrong with a definition's kind and options. Empty: nothing. */
  problems(definition: LogSourceDefinition): readonly string[];
  create(definitions: ReadonlyMap<string, LogSourceDefinition>, ports: SourcePorts): NodeSources;
}

export interface SourceParts {
  readonly id: string;
  readonly engine: NodeEngine;
  readonly broker: Broker;
  readonly contract: Contract;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: ServerEvents;
  readonly pipelines: PipelineRunner;
  readonly secret: (name: string) => string | undefined;
  readonly support: SourceSupport | undefined;
}

const NONE: NodeSources = { start: () => {}, stop: async () => {}, figures: () => [] };

/** Those of the contract and `others`. Throws StartError with every problem of the definitions. */
export function nodeSources(
  definition: ContractDefinition | undefined,
  others: ReadonlyMap<string, LogSourceDefinition>,
  parts: SourceParts,
): NodeSources {
  const declared = declaredSources(definition ?? {});
  if (!declared.ok) throw new StartError("contract_invalid", declared.problems);
  const twice = [...others.keys()].find((name) => declared.sources.has(name));
  if (twice !== undefined)
    throw new StartError("contract_invalid", [
      `Cannot use source "${twice}": found it in the contract and in option pipelines`,
    ]);
  const sources = new Map([...declared.sources, ...others]);
  if (sources.size === 0) return NONE;
  const { support, contract, engine, events, pipelines } = parts;
  if (support === undefined)
    throw new StartError("contract_invalid", [
      "Cannot use sources: found a node without clients of logs, expected option `sources`",
    ]);
  const problems = sourceProblemsOf(sources, { contract, support });
  if (problems.length > 0) throw new StartError("contract_invalid", problems);
  return support.create(sources, {
    node: parts.id,
    clock: parts.clock,
    random: parts.random,
    states: parts.broker.states,
    secret: parts.secret,
    observer: {
      reading: (source) => events.sourceReading({ source }),
      released: (source) => events.sourceReleased({ source }),
      failed: (source, reason, againInMs) =>
        events.sourceFailed({ source, reason, againInMs: Math.round(againInMs) }),
      lost: (source, partition, records) => events.sourceLost({ source, partition, records }),
      dead: (source, reason, why) => events.sourceDead({ source, reason, why }),
    },
    isServing: () => engine.state === "ready",
    publish: (channel, request) => engine.publish(channel, request),
    classOf: (channel) => contract.resolve(channel)?.stream.cls,
    behind: (channel) => {
      const rules = contract.resolve(channel);
      const publications =
        rules === undefined ? undefined : pipelines.behind(channel, rules.pattern);
      if (rules === undefined || publications === undefined) return undefined;
      return { publications, historySize: rules.stream.sizeMax };
    },
  });
}

/** Every problem of definitions, of their options, and of the channels that they go to. */
export function sourceProblemsOf(
  sources: ReadonlyMap<string, LogSourceDefinition>,
  { contract, support }: { readonly contract: Contract; readonly support: SourceSupport },
): readonly string[] {
  const problems = [...sourceProblems(sources)];
  for (const [name, definition] of sources) {
    const say = (text: string): void => void problems.push(`Cannot use source "${name}": ${text}`);
    for (const problem of support.problems(definition)) say(problem);
    if (typeof definition.channel !== "string") continue;
    // Any value will do: which pattern takes the name does not depend on it.
    const channel = definition.channel.replaceAll(/\{[^{}]*\}/g, "x");
    const rules = contract.resolve(channel);
    if (rules === undefined)
      say(`found channel ${definition.channel}, expected one that a pattern of the contract takes`);
    else if (rules.stream.cls === "volatile")
      say(`found the volatile channel ${definition.channel}, expected one with a history`);
    if (definition.dead !== undefined && contract.resolve(definition.dead) === undefined)
      say(`found dead ${definition.dead}, expected a channel of the contract`);
  }
  return problems;
}
