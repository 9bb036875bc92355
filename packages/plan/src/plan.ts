// Owns: a whole plan: nodes, their load, deploys, losses, storms, growth, and the limits that it
// exceeds.
import type { Calibration } from "./calibration.ts";
import { type Deploy, deployOf } from "./deploy.ts";
import { loadOfNode, loadOfRedis, type NodeLoad, type RedisLoad } from "./load.ts";
import { type Comparison, compareStorms, type Loss, lossesOf } from "./losses.ts";
import { type Problem, problemsOf } from "./problems.ts";
import { type ScaleUp, simulateScaleUp } from "./scale-up.ts";
import type { Scenario } from "./scenario.ts";
import { type LimitName, type Sizing, sizeOf } from "./sizing.ts";

export interface Growth {
  readonly months: number;
  readonly clients: number;
  readonly nodes: number;
  readonly binding: LimitName | undefined;
}

export interface Plan {
  readonly scenario: Scenario;
  readonly calibration: Calibration;
  /** Nodes that are needed, by limit. */
  readonly sizing: Sizing;
  /** Nodes for which the rest is computed: those given, or those needed. */
  readonly nodes: number;
  readonly load: NodeLoad;
  readonly redis: RedisLoad;
  readonly deploy: Deploy;
  readonly losses: readonly Loss[];
  readonly storms: Comparison;
  readonly scaleUp: ScaleUp;
  /** Empty without growth. */
  readonly growth: readonly Growth[];
  /** The limits that the plan exceeds; empty: none. */
  readonly problems: readonly Problem[];
  /** Events that were simulated. */
  readonly events: number;
}

const MONTHS = [0, 3, 6, 12, 24];

/**
 * A plan, or undefined when no number of nodes of this size is enough (`sizing` says by which
 * limit).
 */
export function makePlan(
  scenario: Scenario,
  calibration: Calibration,
): Plan | { readonly sizing: Sizing } {
  const sizing = sizeOf(scenario, calibration);
  const nodes = scenario.fleet.nodes ?? sizing.nodes;
  if (!Number.isFinite(nodes)) return { sizing };
  const question = { scenario, calibration, nodes };
  const load = loadOfNode({ ...scenario, calibration }, nodes);
  const redis = loadOfRedis(scenario.demand, calibration, nodes);
  const [deploy, losses, storms] = [
    deployOf(question),
    lossesOf(question),
    compareStorms(question),
  ];
  const { asIs, fullWindow, withoutWindow, neither } = storms;
  const massReconnects = [
    ...losses.map(({ massReconnect }) => massReconnect),
    asIs,
    fullWindow,
    withoutWindow,
    neither,
  ];
  return {
    scenario,
    calibration,
    sizing,
    nodes,
    load,
    redis,
    deploy,
    losses,
    storms,
    scaleUp: simulateScaleUp(nodes, scenario.demand.clients / nodes),
    growth: growthOf(scenario, calibration),
    problems: problemsOf({ scenario, sizing, nodes, load, redis, deploy, losses }),
    events: massReconnects.reduce((sum, { events }) => sum + events, deploy.roll.events),
  };
}

function growthOf(scenario: Scenario, calibration: Calibration): readonly Growth[] {
  const { growthPerMonth } = scenario.demand;
  if (growthPerMonth === 0) return [];
  return MONTHS.map((months) => {
    const factor = (1 + growthPerMonth) ** months;
    const demand = {
      ...scenario.demand,
      clients: Math.round(scenario.demand.clients * factor),
      publishesPerSecond: scenario.demand.publishesPerSecond * factor,
    };
    const { limits, nodes } = sizeOf({ ...scenario, demand }, calibration);
    return { months, clients: demand.clients, nodes, binding: limits[0]?.name };
  });
}
