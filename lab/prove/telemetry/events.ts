// Owns: what a device says in its n-th event. Device, number and seed decide it, so the oracle need
// not be told; only when it was made is written down.

/** As it is published. `at`: ms since the Unix epoch. `mark`: of this event alone, below 2^32. */
export interface DeviceEvent {
  readonly device: string;
  readonly n: number;
  readonly at: number;
  readonly value: number;
  readonly mark: number;
}

export type EventKind =
  | "usual"
  /** It says that it is older than any window that is open. */
  | "old"
  /** The pipeline's function throws for it. */
  | "broken";

/** How much older an `old` event says that it is. */
export const OLD_MS = 55_000;
/** Value of a `broken` event: the sensor does not answer. */
export const BROKEN_VALUE = -999;
const VALUES = 1000;
/** Of so many events, on average, */
const SHARE = 500;

export const deviceName = (index: number): string => `d${index}`;
export const siteOf = (index: number, sites: number): string => `s${index % sites}`;

/** 32 bits of all three (finalizer of MurmurHash3, by Austin Appleby). */
export function markOf(seed: number, device: number, n: number): number {
  let mixed = Math.imul(seed ^ Math.imul(device + 1, 0x9e3779b1), 0x85ebca6b) ^ n;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** One in 500 is old, and one in 500 broken. */
export function kindOf(mark: number): EventKind {
  const place = (mark >>> 8) % SHARE;
  if (place === 0) return "old";
  return place === 1 ? "broken" : "usual";
}

export function saidValue(mark: number): number {
  return kindOf(mark) === "broken" ? BROKEN_VALUE : mark % VALUES;
}

/** The time that an event made at `madeMs` says. */
export const saidMs = (mark: number, madeMs: number): number =>
  kindOf(mark) === "old" ? madeMs - OLD_MS : madeMs;
