// Owns: the result of a run, as it is kept in docs/benchmarks/micro.json.
import { cpus, release, totalmem, type } from "node:os";
import type { Peer } from "./dialects.ts";
import type { FanOut, Round } from "./measure.ts";
import type { Plan } from "./plan.ts";
import { type Series, series } from "./series.ts";

export interface FanOutSeries {
  readonly deliveries: number;
  readonly userUs: Series;
  readonly systemUs: Series;
  readonly deliveriesPerSecond: Series;
  readonly wrong: number;
}

export interface PeerResult {
  readonly version: string;
  readonly idleBytes: Series;
  readonly subscribedBytes: Series;
  readonly fanOuts: Readonly<Record<string, FanOutSeries>>;
}

export interface Result {
  readonly measuredAt: string;
  readonly machine: {
    readonly processor: string;
    readonly cores: number;
    readonly memoryGiB: number;
    readonly kernel: string;
  };
  readonly plan: Omit<Plan, "json">;
  readonly peers: Readonly<Record<Peer, PeerResult>>;
}

/** Puts the rounds of every server together. */
export function resultOf(
  plan: Plan,
  rounds: Readonly<Record<Peer, readonly Round[]>>,
  versions: Readonly<Record<Peer, string>>,
): Result {
  const { json: _, ...kept } = plan;
  const peer = (name: Peer): PeerResult => ({ version: versions[name], ...summary(rounds[name]) });
  return {
    measuredAt: new Date().toISOString(),
    machine: {
      processor: cpus()[0]?.model.trim() || "unknown",
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: `${type()} ${release().split("-")[0]}`,
    },
    plan: kept,
    peers: { bun: peer("bun"), socketio: peer("socketio"), holdfast: peer("holdfast") },
  };
}

function summary(rounds: readonly Round[]): Omit<PeerResult, "version"> {
  const names = Object.keys(rounds[0]?.fanOuts ?? {});
  return {
    idleBytes: series(rounds.map((round) => round.idleBytes)),
    subscribedBytes: series(rounds.map((round) => round.subscribedBytes)),
    fanOuts: Object.fromEntries(
      names.map((name) => [
        name,
        fanOutSeries(rounds.flatMap((round) => round.fanOuts[name] ?? [])),
      ]),
    ),
  };
}

function fanOutSeries(values: readonly FanOut[]): FanOutSeries {
  return {
    deliveries: values.reduce((sum, value) => sum + value.deliveries, 0),
    userUs: series(values.map((value) => value.userUs)),
    systemUs: series(values.map((value) => value.systemUs)),
    deliveriesPerSecond: series(values.map((value) => value.deliveriesPerSecond)),
    wrong: values.reduce((sum, value) => sum + value.wrong, 0),
  };
}
