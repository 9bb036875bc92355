// Owns: what a process of devices tells of them.
import type { DeviceCount } from "./device.ts";

/** Histograms count whole numbers. */
export const ROUND_TRIP_UNIT_MS = 0.01;

export interface DevicesFigures {
  readonly connected: number;
  readonly acknowledged: number;
  readonly made: number;
  readonly pending: number;
  readonly counts: Readonly<Record<DeviceCount, number>>;
  /** From PUBLISH to PUBACK, since the last call, in 0.01 ms: an HDR histogram, compressed. */
  readonly roundTrips: string;
}
