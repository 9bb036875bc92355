// Owns: the contract of the page at `/` in dev: its channels, its RPC, and the names that page and device share.
import { defineContract, rpc } from "@holdfast/core/contract";
import { z } from "zod";

/** The chat room that every window joins. */
export const ROOM = "chat:lobby";
/** Where cursors and grips on the rope are told. */
export const BOARD = "board:deck";
/** The simulated winch's readings. */
export const WINCH = "telemetry:winch";
/** The numbered heartbeats. */
export const TICKER = "ticker";
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

const name = z.string().trim().min(1).max(NAME_LENGTH_MAX);
const unit = z.number().min(0).max(1);

/** What the demo declares. Anyone may do anything in it: it is served in dev only. */
export const demoContract = defineContract({
  channels: {
    "chat:{room}": {
      payload: z.object({ name, text: z.string().trim().min(1).max(TEXT_LENGTH_MAX) }),
      presenceData: z.object({ name }),
      history: { size: 200, ttlMs: 24 * 60 * 60 * 1000 },
      presence: true,
      permissions: { subscribe: "anyone", publish: "anyone", presence: "anyone", history: "anyone" },
    },
    /** `x`, `y`: position as a share of the board. `knot`: the knot of the rope that is held. `here`: false when the pointer has left. */
    "board:{room}": {
      class: "volatile",
      payload: z.object({
        x: unit,
        y: unit,
        knot: z
          .int()
          .min(0)
          .max(ROPE_KNOTS - 1)
          .nullable(),
        here: z.boolean(),
        name,
      }),
      permissions: { subscribe: "anyone", publish: "anyone" },
    },
    /** Keyed by metric; the unit belongs to the metric (see `METRICS`). */
    "telemetry:{device}": {
      class: "latest",
      payload: z.object({ value: z.number() }),
      history: { size: 32 },
      permissions: { subscribe: "anyone", publish: "anyone", history: "anyone" },
    },
    /** `n` rises by one for each heartbeat within a `run` of the device. */
    ticker: {
      payload: z.object({ run: z.string().max(32), n: z.int().min(1) }),
      history: { size: 600 },
      permissions: { subscribe: "anyone", publish: "anyone", history: "anyone" },
    },
  },
  rpc: {
    /** The node's clock in ms since the Unix epoch. The page measures the round trip with it. */
    time: rpc({
      input: z.object({}),
      output: z.object({ nowMs: z.number() }),
      allow: "anyone",
      handler: () => ({ nowMs: Date.now() }),
    }),
  },
});
export type DemoContract = typeof demoContract;

/** What the winch measures: key in the channel, label, unit, and the range that the chart shows at least. */
export const METRICS = [
  { key: "tension", label: "Line tension", unit: "kN", min: 0, max: 12, digits: 2 },
  { key: "speed", label: "Drum speed", unit: "rpm", min: 0, max: 60, digits: 1 },
  { key: "temperature", label: "Motor temperature", unit: "°C", min: 30, max: 60, digits: 1 },
] as const;
export type Metric = (typeof METRICS)[number];
export type MetricKey = Metric["key"];
