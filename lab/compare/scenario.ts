// Owns: the scenarios of the comparison by name, which servers take part in each, and the figures
// that each gives.
import type { RivalName } from "./rivals.ts";

export const SCENARIO_NAMES = [
  "fanout",
  "rooms",
  "memory",
  "recovery",
  "nodes-1",
  "nodes-2",
  "nodes-3",
] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

const ALONE = ["bun", "ws", "socketio", "holdfast", "centrifugo"] as const;
const OVER_REDIS = ["socketio-redis", "holdfast-redis"] as const;

/** Servers in the order in which they take turns. */
export const SCENARIO_RIVALS: Readonly<Record<ScenarioName, readonly RivalName[]>> = {
  fanout: ALONE,
  rooms: ALONE,
  memory: ALONE,
  recovery: ["socketio", "holdfast", "centrifugo"],
  "nodes-1": OVER_REDIS,
  "nodes-2": OVER_REDIS,
  "nodes-3": OVER_REDIS,
};

/** Rounds that tell enough: memory varies little, and is slow to measure. */
export const ROUNDS_MAX: Readonly<Partial<Record<ScenarioName, number>>> = { memory: 2 };

/** Nodes of a scenario over Redis, or undefined. */
export function nodesOf(scenario: ScenarioName): number | undefined {
  const [, count] = /^nodes-(\d)$/.exec(scenario) ?? [];
  return count === undefined ? undefined : Number(count);
}

/**
 * Figures of a steady flow of publications. CPU is that of the servers without Redis; absent if
 * they are not processes of this machine.
 */
export interface FlowFigures {
  readonly deliveries: number;
  readonly userUsPerDelivery?: number;
  readonly systemUsPerDelivery?: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Lost, doubled or out of order: must be 0. */
  readonly wrong: number;
  /** The load's own CPU. */
  readonly loadUsPerDelivery: number;
  /** Redis' CPU, if there is one. */
  readonly redisUsPerDelivery?: number;
}

/** Memory above the server before anyone came, by connection. */
export interface MemoryFigures {
  readonly idleBytes: number;
  readonly subscribedBytes: number;
}

/** All clients came back and got what they missed. */
export interface RecoveryFigures {
  readonly seconds: number;
  readonly userSeconds?: number;
  readonly systemSeconds?: number;
  /** Missed publications that arrived; `wrong` are those that did not, or twice. */
  readonly recovered: number;
  readonly wrong: number;
}
