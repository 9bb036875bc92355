// Owns: the limits that a plan exceeds, and what to do about each.
import type { Deploy } from "./deploy.ts";
import type { NodeLoad, RedisLoad } from "./load.ts";
import type { Loss } from "./losses.ts";
import { NODES_MAX, type Scenario } from "./scenario.ts";
import type { Sizing } from "./sizing.ts";

export interface Problem {
  readonly code:
    | "too_few_nodes"
    | "too_many_nodes"
    | "one_node"
    | "redis_full"
    | "handshakes_not_backed"
    | "sessions_cut"
    | "sessions_moved_often"
    | "not_back"
    | "deploys_overlap"
    | "not_simulated_to_the_end";
  readonly text: string;
}

interface Findings {
  readonly scenario: Scenario;
  readonly sizing: Sizing;
  readonly nodes: number;
  readonly load: NodeLoad;
  readonly redis: RedisLoad;
  readonly deploy: Deploy;
  readonly losses: readonly Loss[];
}

const DAY_MS = 86_400_000;
const MOVES_MAX = 1.5;
const count = (value: number): string => Math.round(value).toLocaleString("en-US");

export function problemsOf(findings: Findings): readonly Problem[] {
  return [
    ...problemsOfSize(findings),
    ...problemsOfDeploys(findings),
    ...problemsOfLosses(findings),
  ];
}

function problemsOfSize({ scenario, sizing, nodes, load, redis }: Findings): readonly Problem[] {
  const { node } = scenario;
  const found: Problem[] = [];
  const [binding] = sizing.limits;
  if (nodes < sizing.nodes)
    found.push({
      code: "too_few_nodes",
      text: `${count(nodes)} given as nodes; ${binding?.name} asks for ${count(sizing.nodes)}.`,
    });
  if (nodes > NODES_MAX)
    found.push({
      code: "too_many_nodes",
      text: `A fleet has at most ${count(NODES_MAX)} nodes: take larger ones, or raise --connections-max.`,
    });
  if (nodes === 1)
    found.push({
      code: "one_node",
      text: "One node: when it dies or is replaced there is no other to go to.",
    });
  if (redis.primaries > 1)
    found.push({
      code: "redis_full",
      text: `Publishing and its messages to nodes take ${Math.round(redis.threadShare * 100)} % of a Redis thread, planned for at most 50 %: use Cluster or ${count(redis.primaries)} independent servers.`,
    });
  if (load.setUpsPerSecondMax < node.handshakesPerSecond)
    found.push({
      code: "handshakes_not_backed",
      text: `A is ${count(node.handshakesPerSecond)} handshakes a second, and beside the deliveries there is CPU for ${count(load.setUpsPerSecondMax)}: lower admission.handshakesPerSecond or add nodes.`,
    });
  return found;
}

function problemsOfDeploys({ scenario, deploy }: Findings): readonly Problem[] {
  const found: Problem[] = [];
  const { roll, perDay } = deploy;
  if (roll.cut > 0)
    found.push({
      code: "sessions_cut",
      text: `A deploy cuts ${count(roll.cut)} sessions at the end of a drain window of ${deploy.windowMs / 1000} s: give more (drain.windowMs), or smaller nodes.`,
    });
  if (roll.movesPerSession > MOVES_MAX)
    found.push({
      code: "sessions_moved_often",
      text: `A deploy moves each session ${roll.movesPerSession.toFixed(1)} times: a balancer that prefers the newest revision or the fewest connections moves each once.`,
    });
  if (!roll.finished)
    found.push({
      code: "not_simulated_to_the_end",
      text: "The deploy was not simulated to its end.",
    });
  if (perDay.tookMs > DAY_MS)
    found.push({
      code: "deploys_overlap",
      text: `Deploys take ${(perDay.tookMs / 3_600_000).toFixed(1)} hours a day (${scenario.demand.deploysPerDay} of them).`,
    });
  return found;
}

function problemsOfLosses({ scenario, losses }: Findings): readonly Problem[] {
  return losses.flatMap(({ name, massReconnect }): readonly Problem[] => {
    if (
      massReconnect.backMs !== undefined &&
      massReconnect.backMs <= scenario.fleet.recoveryMsMax * 1.5
    )
      return [];
    const back =
      massReconnect.backMs === undefined
        ? `${Math.round(massReconnect.backShare * 100)} % are back after half an hour`
        : `everyone is back after ${Math.round(massReconnect.backMs / 1000)} s`;
    const what = name === "everyone" ? "all connections are lost at once" : `a ${name} dies`;
    return [
      {
        code: "not_back",
        text: `When ${what}, ${back}; wanted: ${scenario.fleet.recoveryMsMax / 1000} s.`,
      },
    ];
  });
}
