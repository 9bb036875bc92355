// Owns: the data of every publication of a proof, and what publishers and subscribers tell the
// oracle about it.
import type { Position } from "@holdfast/protocol";

/**
 * Data of a publication: its publisher, its number among that publisher's (from 1), and its
 * intended time, in ms since 1970.
 */
export interface Stamp {
  readonly p: number;
  readonly n: number;
  readonly at: number;
  /** Filling, if size matters. */
  readonly pad?: string;
}

export function stampOf(data: unknown): Stamp | undefined {
  if (typeof data !== "object" || data === null) return undefined;
  const { p, n, at } = data as Partial<Record<keyof Stamp, unknown>>;
  return typeof p === "number" && typeof n === "number" && typeof at === "number"
    ? { p, n, at }
    : undefined;
}

/**
 * The outcome of a publish. `acknowledged`: it must arrive. `refused`: the node refused it finally:
 * it must not arrive. `unknown`: it timed out or failed on the way: it may arrive, at most once.
 */
export type PublishOutcome =
  | { readonly kind: "acknowledged"; readonly position?: Position }
  | { readonly kind: "unknown"; readonly code: string }
  | { readonly kind: "refused"; readonly code: string };

/** A publish and its outcome, as the publisher tells it. */
export interface Published {
  /** By index, or negative for channels outside the workload. */
  readonly channel: number;
  readonly p: number;
  readonly n: number;
  readonly atMs: number;
  readonly key?: string;
  readonly outcome: PublishOutcome;
}
