// Owns: the run over time: samples of the load and of its servers, second by second.

import type { Times } from "./histogram.ts";
import type { Vital, Watched } from "./observe.ts";
import { TIME_KINDS, type TimeKind } from "./recorder.ts";
import { type Point, type PointOfServer, sum } from "./result.ts";
import type { ConnectionsSample } from "./workers.ts";

/** Cumulative figures at one moment. */
export interface Look {
  readonly atMs: number;
  readonly sample: ConnectionsSample;
  readonly vitals: readonly (Vital | undefined)[];
}

/** Looks at everything at once. */
export async function lookAt(
  watched: readonly Watched[],
  take: () => Promise<ConnectionsSample>,
): Promise<Look> {
  const [sample, vitals] = await Promise.all([
    take(),
    Promise.all(watched.map((server) => server.look())),
  ]);
  return { atMs: performance.now(), sample, vitals };
}

/** The sample with these times added to its own. */
export function withTimes(look: Look, times: ConnectionsSample["interval"]): Look {
  const interval: Partial<Record<TimeKind, Times>> = { ...look.sample.interval };
  for (const kind of TIME_KINDS) {
    const added = times[kind];
    if (added === undefined) continue;
    const own = interval[kind];
    if (own === undefined) interval[kind] = added;
    else own.merge(added.packed());
  }
  return { ...look, sample: { ...look.sample, interval } };
}

/** What happened between two looks. */
export function pointBetween(
  before: Look,
  after: Look,
  at: { readonly originMs: number; readonly phase: number },
): Point {
  const seconds = Math.max(0.001, (after.atMs - before.atMs) / 1000);
  const [counts, old] = [after.sample.counts, before.sample.counts];
  const rate = (kind: "handshakes" | "sent" | "delivered" | "pongs") =>
    Math.round((counts[kind] - old[kind]) / seconds);
  const times: Record<string, { p50Us: number; p99Us: number; maxUs: number }> = {};
  for (const kind of TIME_KINDS) {
    const recorded = after.sample.interval[kind];
    if (recorded !== undefined)
      times[kind] = {
        p50Us: recorded.percentileUs(50),
        p99Us: recorded.percentileUs(99),
        maxUs: recorded.percentileUs(100),
      };
  }
  return {
    atMs: Math.round(after.atMs - at.originMs),
    phase: at.phase,
    connected: after.sample.connected,
    perSecond: {
      handshakes: rate("handshakes"),
      sent: rate("sent"),
      delivered: rate("delivered"),
      pongs: rate("pongs"),
      errors: Math.round((after.sample.errors - before.sample.errors) / seconds),
    },
    times,
    servers: after.vitals.map((vital, place) =>
      pointOfServer(before.vitals[place], vital, seconds),
    ),
    generator: {
      cores: sum(generatorUs(before, after), (us) => us) / 1e6 / seconds,
      lagUs: Math.round(after.sample.lagUs),
    },
  };
}

/** CPU of each worker between two looks, in µs. */
export const generatorUs = (before: Look, after: Look): number[] =>
  after.sample.cpus.map(({ userUs, systemUs }, place) => {
    const old = before.sample.cpus[place];
    return userUs + systemUs - (old === undefined ? 0 : old.userUs + old.systemUs);
  });

function pointOfServer(
  before: Vital | undefined,
  after: Vital | undefined,
  seconds: number,
): PointOfServer | null {
  if (before === undefined || after === undefined) return null;
  return {
    userCores: Math.max(0, after.userUs - before.userUs) / 1e6 / seconds,
    systemCores: Math.max(0, after.systemUs - before.systemUs) / 1e6 / seconds,
    rssBytes: after.rssBytes,
    ...(after.lagUs === undefined ? {} : { lagUs: after.lagUs }),
  };
}
