// Owns: figures of several processes of devices as one.
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import { type DevicesFigures, ROUND_TRIP_UNIT_MS } from "./device-counts.ts";
import type { Spread } from "./result.ts";

/** Since figures were asked for the last time. */
export function roundTripsOf(figures: readonly DevicesFigures[]): Spread {
  const [first, ...others] = figures.map(({ roundTrips }) =>
    decodeFromCompressedBase64(roundTrips, 32, false),
  );
  if (first === undefined || first.totalCount + others.length === 0)
    return { count: 0, p50: 0, p99: 0, max: 0 };
  for (const other of others) first.add(other);
  const ms = (value: number): number => Math.round(value * ROUND_TRIP_UNIT_MS * 10) / 10;
  return {
    count: first.totalCount,
    p50: ms(first.getValueAtPercentile(50)),
    p99: ms(first.getValueAtPercentile(99)),
    max: ms(first.maxValue),
  };
}

export function countsOf(figures: readonly DevicesFigures[]): Readonly<Record<string, number>> {
  const all: Record<string, number> = {};
  for (const { counts } of figures)
    for (const [name, count] of Object.entries(counts)) all[name] = (all[name] ?? 0) + count;
  return all;
}

export function differences(
  now: Readonly<Record<string, number>>,
  before: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(now)
      .map(([name, count]): [string, number] => [name, count - (before[name] ?? 0)])
      .filter(([, count]) => count > 0),
  );
}
