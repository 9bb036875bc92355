// Owns: the contract of the factory: what machines say, what is computed of it, and where it goes.
import { defineContract } from "@holdfast/contract";
import {
  avg,
  channel,
  count,
  from,
  max,
  pipeline,
  quantile,
  threshold,
  tumbling,
} from "@holdfast/pipelines";
import { postgres } from "@holdfast/sinks";
import { z } from "zod";

/** `n` counts a machine's readings. `at`: when it was read, in ms since the Unix epoch. */
export const Reading = z.object({
  machine: z.string(),
  n: z.number().int(),
  celsius: z.number(),
  at: z.number(),
});

const HISTORY = { size: 50_000, ttlMs: 600_000 };
const RESULTS = { subscribe: "anyone", history: "anyone", publish: "nobody" } as const;

/**
 * Machines publish at QoS 1, so a reading may come twice: the second one is dropped. A table with a
 * key and channels have each window once.
 */
const heat = pipeline(from("telemetry:{line}", Reading))
  .dedupe({ by: (r) => `${r.machine} ${r.n}` })
  .window(
    tumbling("10s", {
      time: (r) => r.at,
      lateness: "5s",
      key: (r, { params }) => ({ line: params.line, machine: r.machine }),
    }),
  )
  .aggregate({
    mean: avg((r) => r.celsius),
    most: max((r) => r.celsius),
    p99: quantile(0.99, (r) => r.celsius),
    n: count(),
  })
  .to(channel("heat:{line}"))
  .map(({ key, fromMs, mean, most, p99, n }) => ({
    ...{ line: key.line, machine: key.machine, at: fromMs },
    ...{ mean, most, p99, n },
  }))
  .to(postgres({ urlFrom: "FACTORY_DATABASE_URL", table: "heat", key: ["machine", "at"] }))
  .on("late", channel("late"))
  .on("dead", channel("dead"));

/** Raised above 90 °C, cleared below 80 °C: a value that trembles around 90 raises one alarm. */
const alarms = pipeline(from("telemetry:{line}", Reading))
  .detect(
    threshold({
      ...{ value: (r) => r.celsius, time: (r) => r.at, above: 90, clearBelow: 80 },
      key: (r, { params }) => ({ line: params.line, machine: r.machine }),
    }),
  )
  .to(channel("alarms:{line}"));

export default defineContract({
  channels: {
    "telemetry:{line}": {
      payload: Reading,
      history: HISTORY,
      permissions: { publish: "anyone" },
    },
    "heat:{line}": { history: HISTORY, permissions: RESULTS },
    "alarms:{line}": { history: HISTORY, permissions: RESULTS },
    late: { history: HISTORY, permissions: RESULTS },
    dead: { history: HISTORY, permissions: RESULTS },
  },
  pipelines: { heat, alarms },
});
