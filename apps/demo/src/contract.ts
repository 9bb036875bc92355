// Owns: the contract of the page at `/` in dev: its channels and its RPC.
import { defineContract, rpc } from "@holdfast/contract";
import { z } from "zod";
import { NAME_LENGTH_MAX, ROPE_KNOTS, TEXT_LENGTH_MAX } from "./names.ts";

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
      permissions: {
        subscribe: "anyone",
        publish: "anyone",
        presence: "anyone",
        history: "anyone",
      },
    },
    /**
     * `x`, `y`: position as a share of the board. `knot`: the knot of the rope that is held.
     * `here`: false when the pointer has left.
     */
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
