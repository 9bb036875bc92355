// Owns: the account of the pipeline without a window: every event in both sinks, and how long it
// took from the device.
import { eventually } from "../prove-error.ts";
import type { Seen, TelemetryBench } from "./bench.ts";
import { OLD_MS } from "./events.ts";
import { directResult } from "./oracle.ts";
import { type DirectResult, spreadOf } from "./result.ts";

const ALL_MS = 30_000;

interface Wanted {
  readonly at: number;
  readonly value: number;
  kafka: number;
  table: number;
}

export async function judgeDirect(
  bench: TelemetryBench,
  seed: number,
  seen: Seen,
): Promise<DirectResult> {
  const wanted = new Map<string, Wanted>();
  let acknowledged = 0;
  for (const ack of bench.acks()) {
    if (!ack.isDirect) continue;
    acknowledged += 1;
    const result = directResult(ack, seed);
    if (result !== undefined)
      wanted.set(result.key, { at: result.at, value: result.value, kafka: 0, table: 0 });
  }
  await eventually(
    "every event is in both sinks",
    async () => {
      const [found] = await bench.database.sql.unsafe("SELECT count(*) AS n FROM direct");
      return Number(found.n) >= wanted.size && bench.directByKafka.length >= wanted.size;
    },
    { timeoutMs: ALL_MS, everyMs: 100 },
  ).catch(() => {});
  const wrongs = new Map<string, number>();
  const wrong = (what: string): void => void wrongs.set(what, (wrongs.get(what) ?? 0) + 1);
  const [kafkaMs, tableMs]: [number[], number[]] = [[], []];
  /** `at` of an old event is not when it was made. What came before the step is not counted. */
  const measured = (into: number[], at: number, atMs: number): void => {
    const madeMs = atMs - at > OLD_MS ? at + OLD_MS : at;
    if (madeMs >= seen.fromMs) into.push(atMs - madeMs);
  };
  let kafkaAgain = 0;
  for (const { key, at, value, atMs } of bench.directByKafka) {
    const one = wanted.get(key);
    if (one === undefined) wrong("Kafka: events that nobody acknowledged");
    else if (one.at !== at || one.value !== value) wrong("Kafka: events that differ");
    else {
      one.kafka += 1;
      if (one.kafka > 1) kafkaAgain += 1;
      else measured(kafkaMs, at, atMs);
    }
  }
  for (const row of await tableRows(bench)) {
    const one = wanted.get(`${row.device} ${row.n}`);
    if (one === undefined) wrong("table: events that nobody acknowledged");
    else if (one.at !== Number(row.at) || one.value !== Number(row.value))
      wrong("table: events that differ");
    else {
      one.table += 1;
      measured(tableMs, one.at, Number(row.ms));
    }
  }
  for (const { kafka, table } of wanted.values()) {
    if (kafka === 0) wrong("Kafka: events missing");
    if (table === 0) wrong("table: events missing");
  }
  const straight = await bench.database.sql.unsafe(
    "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000 - at AS ms FROM straight",
  );
  return {
    ...{ acknowledged, kafkaAgain, kafkaMs: spreadOf(kafkaMs), tableMs: spreadOf(tableMs) },
    straightKafkaMs: spreadOf(bench.straightByKafka),
    straightTableMs: spreadOf(straight.map((row: { readonly ms: unknown }) => Number(row.ms))),
    ...{ roundTripMs: seen.roundTripMs, stolenPercent: seen.stolenPercent, load: seen.load },
    failures: [
      ...seen.failures,
      ...[...wrongs].map(([what, count]) => `${count} ${what}`),
      ...(acknowledged === 0 ? ["nothing was acknowledged"] : []),
    ],
  };
}

const tableRows = (bench: TelemetryBench): Promise<readonly Record<string, unknown>[]> =>
  bench.database.sql.unsafe(
    "SELECT *, extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000 AS ms FROM direct",
  );
