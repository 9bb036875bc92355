// Owns: the contract of the nodes under proof: what devices say, two pipelines, and where their
// results go. Its parameters come in the environment of the node.
import { defineContract } from "@holdfast/contract";
import { channel, count, from, max, min, pipeline, sum, tumbling } from "@holdfast/pipelines";
import { kafka, postgres } from "@holdfast/sinks";
import { z } from "zod";

const Event = z.object({
  device: z.string(),
  n: z.number().int(),
  at: z.number(),
  value: z.number(),
  mark: z.number().int(),
});

const {
  PROVE_WINDOW_MS = "10000",
  PROVE_LATENESS_MS = "5000",
  PROVE_KAFKA = "127.0.0.1:9092",
  PROVE_VERSION = "1",
  PROVE_PARTITIONS = "4",
} = process.env;

const broker = {
  brokers: [PROVE_KAFKA],
  usernameFrom: "PROVE_KAFKA_USER",
  passwordFrom: "PROVE_KAFKA_PASSWORD",
} as const;
const database = { urlFrom: "PROVE_DATABASE_URL" } as const;

/** Half a minute of everything that devices say, and what a result's reader may miss. */
const SAID = { size: 30_000, ttlMs: 600_000 };
const RESULTS = { size: 100_000, ttlMs: 600_000 };
const READ = { subscribe: "authenticated", history: "authenticated", publish: "nobody" } as const;

/** A sensor that does not answer: the event is a dead letter. */
function checked<E extends { readonly value: number }>(event: E): E {
  if (event.value < 0) throw new RangeError(`found the value ${event.value}, expected 0 or more`);
  return event;
}

const version = Number(PROVE_VERSION);

/** The second version counts as well what its function says: a compatible change. */
const windows = pipeline(from("telemetry:{site}", Event), {
  ...{ version, partitions: Number(PROVE_PARTITIONS), partitionBy: ["site"] },
})
  .dedupe({ by: (event) => `${event.device} ${event.n}`, within: "1m" })
  .map(checked)
  .window(
    tumbling(Number(PROVE_WINDOW_MS), {
      time: (event) => event.at,
      lateness: Number(PROVE_LATENESS_MS),
      key: (event, { params }) => ({ site: params.site, device: event.device }),
    }),
  )
  .aggregate({
    events: count(),
    total: sum((event) => event.value),
    least: min((event) => event.value),
    most: max((event) => event.value),
    marks: sum((event) => event.mark),
  })
  .map(({ key, fromMs, events, total, least, most, marks }) => ({
    ...{ device: key.device, at: fromMs, events, total, least, most, marks, version },
  }))
  .to(channel("windows:{site}"))
  .to(kafka({ ...broker, topic: "windows" }))
  .to(postgres({ ...database, table: "windows", key: ["device", "at"] }))
  .on("late", channel("late"))
  .on("dead", channel("dead"));

/** Without a window: event by event. */
const direct = pipeline(from("direct:{site}", Event), {
  ...{ version, partitions: Number(PROVE_PARTITIONS), partitionBy: ["site"] },
})
  .filter((event) => event.value >= 0)
  .map(({ device, n, at, value }) => ({ device, n, at, value: value * 2 }))
  .to(kafka({ ...broker, topic: "direct" }))
  .to(postgres({ ...database, table: "direct", key: ["device", "n"] }));

export default defineContract({
  channels: {
    "telemetry:{site}": {
      ...{ payload: Event, history: SAID },
      permissions: { publish: "authenticated" },
    },
    "direct:{site}": {
      ...{ payload: Event, history: SAID },
      permissions: { publish: "authenticated" },
    },
    "windows:{site}": { history: RESULTS, permissions: READ },
    late: { history: RESULTS, permissions: READ },
    dead: { history: RESULTS, permissions: READ },
  },
  pipelines: { windows, direct },
});
