// Owns: what a plan is asked for: the demand, a node, the fleet, and the settings of nodes that
// matter for it.
import type { Balancer } from "./rolling-node.ts";

export interface Demand {
  readonly clients: number;
  /** Publications a second, of everyone together. */
  readonly publishesPerSecond: number;
  /** Subscribers of a room (a channel). */
  readonly roomSize: number;
  readonly roomsPerClient: number;
  readonly dataBytes: number;
  /** Publications that each room's history keeps. */
  readonly historySize: number;
  /** 0.1: a tenth more clients and messages each month. */
  readonly growthPerMonth: number;
  readonly deploysPerDay: number;
}

export interface NodeSize {
  /** A node's event loop uses one core at most. */
  readonly cores: number;
  readonly memoryBytes: number;
  readonly connectionsMax: number;
  /** Open files that the process may have. */
  readonly descriptorsMax: number;
  /** A, as configured. */
  readonly handshakesPerSecond: number;
}

export interface FleetRules {
  /** Given: looked at as it is, instead of finding how many are needed. */
  readonly nodes?: number;
  readonly zones: number;
  /** Share (0 to 1) of CPU, memory and connections that stays free on an ordinary day. */
  readonly headroom: number;
  /** Everyone is to be back within this after all connections were lost at once. */
  readonly recoveryMsMax: number;
  readonly balancer: Balancer;
  /** From the start of a node until it is ready. */
  readonly startMs: number;
  readonly preDelayMs: number;
  /** Absent: what the pace of a drain needs. */
  readonly drainWindowMs?: number;
  readonly drainPerSecondMax: number;
  readonly seed: number;
}

export interface Scenario {
  readonly demand: Demand;
  readonly node: NodeSize;
  readonly fleet: FleetRules;
}

/**
 * Defaults of a scenario. Those of nodes are the defaults of their options; a test compares them.
 */
export const SCENARIO_DEFAULTS = {
  demand: {
    roomSize: 100,
    roomsPerClient: 1,
    dataBytes: 100,
    historySize: 100,
    growthPerMonth: 0,
    deploysPerDay: 1,
  },
  node: {
    cores: 1,
    memoryBytes: 1024 ** 3,
    connectionsMax: 10_000,
    descriptorsMax: 65_536,
    handshakesPerSecond: 500,
  },
  fleet: {
    zones: 1,
    headroom: 0.3,
    recoveryMsMax: 60_000,
    balancer: "least-connections",
    startMs: 10_000,
    preDelayMs: 5_000,
    drainPerSecondMax: 500,
    seed: 1,
  },
} as const;

/**
 * Settings of nodes and clients that a plan does not ask for: their defaults; a test compares those
 * of nodes.
 */
export const NODE_SETTINGS = {
  resumeReserve: 0.3,
  windowMinMs: 500,
  handshakesInFlightMax: 1_000,
  lagMsMax: 250,
  figuresMs: 1_000,
  rebalanceTolerance: 0.1,
  rebalanceSessionsMin: 20,
  rebalancePerSecond: 50,
  rebalanceCooldownMs: 30_000,
  ringPublicationsMax: 100,
  ringBytesMax: 262_144,
  connectTimeoutMs: 10_000,
} as const;

/**
 * Nodes a fleet can have, because each one remembers all the others (NODES_MAX of @holdfast/core).
 */
export { NODES_MAX } from "@holdfast/core";
