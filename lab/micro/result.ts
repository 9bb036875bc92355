// Owns: the result of a run, as it is kept in docs/benchmarks/micro.json.
import { cpus, release, totalmem, type } from "node:os";
import type { Rival } from "./dialects.ts";
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

export interface RivalResult {
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
  readonly rivals: Readonly<Record<Rival, RivalResult>>;
}

/** Puts the rounds of every server together. */
export function resultOf(
  plan: Plan,
  rounds: Readonly<Record<Rival, readonly Round[]>>,
  versions: Readonly<Record<Rival, string>>,
): Result {
  const { json: _, ...kept } = plan;
  const rival = (name: Rival): RivalResult => ({
    version: versions[name],
    ...summary(rounds[name]),
  });
  return {
    measuredAt: new Date().toISOString(),
    machine: {
      processor: cpus()[0]?.model.trim() || "unknown",
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: `${type()} ${release().split("-")[0]}`,
    },
    plan: kept,
    rivals: { bun: rival("bun"), socketio: rival("socketio"), holdfast: rival("holdfast") },
  };
}

function summary(rounds: readonly Round[]): Omit<RivalResult, "version"> {
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
