// Owns: the names and limits that the page, the device and the contract share. No schemas: the page
// must not load them.

/** The chat room that every window joins. */
export const ROOM = "chat:lobby";
/** Where cursors and grips on the rope are told. */
export const BOARD = "board:deck";
/** The simulated winch's readings. */
export const WINCH = "telemetry:winch";
/** The numbered heartbeats. */
export const TICKER = "ticker";
/** Where dev tells the page of its nodes; see `FleetNode`. */
export const NODES_PATH = "/dev/nodes";
/** The page's `<meta>` that says how many nodes dev runs. */
export const NODES_META = "holdfast-nodes";

/**
 * One node of dev's fleet, as served under `NODES_PATH` in a list ordered by place, an old node
 * before the one that follows it.
 */
export interface FleetNode {
  readonly node: string;
  /** Its place in the fleet, from 0. Two nodes have the same while one replaces the other. */
  readonly slot: number;
  readonly revision: string;
  readonly state: "starting" | "ready" | "draining" | "stopped";
  readonly sessions: number;
}

/** The device publishes one heartbeat each this many ms. */
export const HEARTBEAT_INTERVAL_MS = 100;
/** The device publishes each metric at this interval. */
export const TELEMETRY_INTERVAL_MS = 100;

/** Longest name of a person, in characters. */
export const NAME_LENGTH_MAX = 32;
/** Longest chat message, in characters. */
export const TEXT_LENGTH_MAX = 1000;
/** Knots of the rope on the board; a grip names one of them. */
export const ROPE_KNOTS = 41;

/**
 * What the winch measures: key in the channel, label, unit, and the range that the chart shows at
 * least.
 */
export const METRICS = [
  { key: "tension", label: "Line tension", unit: "kN", min: 0, max: 12, digits: 2 },
  { key: "speed", label: "Drum speed", unit: "rpm", min: 0, max: 60, digits: 1 },
  { key: "temperature", label: "Motor temperature", unit: "°C", min: 30, max: 60, digits: 1 },
] as const;
export type Metric = (typeof METRICS)[number];
export type MetricKey = Metric["key"];
