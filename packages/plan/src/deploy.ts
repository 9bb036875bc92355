// Owns: the cost of a deploy: the window that its pace needs, its simulation, and the sum of a day.
import { batchedRollingDeploy } from "./batched.ts";
import type { Calibration } from "./calibration.ts";
import { loadOfNode } from "./load.ts";
import { costsOf, receiverOf } from "./losses.ts";
import type { RollingDeployResult } from "./rolling-deploy.ts";
import { NODE_SETTINGS, type Scenario } from "./scenario.ts";

export interface Deploy {
  /** Nodes that run in addition during the deploy (surge 1). */
  readonly extraNodes: 1;
  readonly preDelayMs: number;
  readonly windowMs: number;
  /** Whether the window was given, or follows from the pace. */
  readonly windowGiven: boolean;
  /** terminationGracePeriodSeconds that goes with it. */
  readonly graceSeconds: number;
  readonly roll: RollingDeployResult;
  readonly perDay: { readonly deploys: number; readonly tookMs: number; readonly moves: number };
}

const EVENTS_MAX = 4_000_000;
const NETWORK_MS = 20;
/**
 * As in packages/core/src/pacing/drain-pacer.ts: a quarter of the window, at most 5 s, has no
 * slots.
 */
const SHARE_OF_A = 0.7;
const TAIL_SHARE = 0.25;
const TAIL_MS_MAX = 5000;
/**
 * After the window: closing handshakes, last bytes, and what is cut anyway
 * (docs/operations/draining.md).
 */
const AFTER_WINDOW_MS = 5000;
const WINDOW_STEP_MS = 5000;

/**
 * The least window (in steps of 5 s) in which a node's sessions leave at the pace that one new node
 * can take.
 */
export function windowForPace(
  sessions: number,
  handshakesPerSecond: number,
  perSecondMax: number,
): number {
  const slotsMs = (sessions * 1000) / Math.min(SHARE_OF_A * handshakesPerSecond, perSecondMax);
  const least = Math.min(slotsMs / (1 - TAIL_SHARE), slotsMs + TAIL_MS_MAX);
  return Math.ceil(least / WINDOW_STEP_MS) * WINDOW_STEP_MS;
}

/** Rolls every node of the fleet once, with one more beside them. */
export function deployOf({
  scenario,
  calibration,
  nodes,
}: {
  readonly scenario: Scenario;
  readonly calibration: Calibration;
  readonly nodes: number;
}): Deploy {
  const { demand, node, fleet } = scenario;
  const sessions = demand.clients / nodes;
  const windowMs =
    fleet.drainWindowMs ??
    windowForPace(sessions, node.handshakesPerSecond, fleet.drainPerSecondMax);
  const roll = batchedRollingDeploy({
    sessions: demand.clients,
    nodes,
    node: {
      receiver: receiverOf(scenario),
      costs: costsOf(scenario, calibration),
      background: Math.min(1, loadOfNode({ demand, node, calibration }, nodes).cpuShare),
    },
    balancer: fleet.balancer,
    startMs: fleet.startMs,
    preDelayMs: fleet.preDelayMs,
    windowMs,
    perSecondMax: fleet.drainPerSecondMax,
    connectTimeoutMs: NODE_SETTINGS.connectTimeoutMs,
    networkMs: NETWORK_MS,
    eventsMax: EVENTS_MAX,
    seed: fleet.seed,
  });
  return {
    extraNodes: 1,
    preDelayMs: fleet.preDelayMs,
    windowMs,
    windowGiven: fleet.drainWindowMs !== undefined,
    graceSeconds: Math.ceil((fleet.preDelayMs + windowMs + AFTER_WINDOW_MS) / 1000),
    roll,
    perDay: {
      deploys: demand.deploysPerDay,
      tookMs: demand.deploysPerDay * roll.tookMs,
      moves: Math.round(demand.deploysPerDay * roll.movesPerSession * demand.clients),
    },
  };
}
