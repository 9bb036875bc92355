// Owns: what hostile clients do in a run: drawn from the seed.
import type { SeededRandom } from "@holdfast/core";

/** What one client does. */
export interface HostilePlan {
  readonly name: string;
  /** Nobody else reads or writes these. */
  readonly channels: readonly string[];
  readonly asks: readonly Ask[];
  readonly everyMs: number;
  /** How long it does not read, each time that it stops reading; 0: it reads. */
  readonly deafMs: number;
}

/** What it asks for again and again, many times in one message. */
export type Ask = "history" | "recover" | "watch" | "publish" | "ping" | "no data";

const ASKS: readonly Ask[] = ["history", "recover", "watch", "publish", "ping", "no data"];
/** Of runs, those with hostile clients. */
const RUNS_SHARE = 0.06;
/** Channels of each. */
export const CHANNELS = 3;
/** What is in each channel before it begins. */
export const HOARD = { publications: 24, bytes: 1500 } as const;
/** Drawn apart from the rest of the workload; in most runs there is nobody. */
export function drawHostile(random: SeededRandom): readonly HostilePlan[] {
  if (!random.chance(RUNS_SHARE)) return [];
  return Array.from({ length: 1 + random.int(5) }, (_, index) => ({
    name: `h${index}`,
    channels: Array.from({ length: CHANNELS }, (_name, number) => `hoard:${index}-${number}`),
    asks: [...new Set([random.pick(ASKS), random.pick(ASKS), random.pick(ASKS)])],
    everyMs: random.pick([100, 400, 1000]),
    deafMs: random.chance(0.3) ? 0 : 1000 + random.int(20_000),
  }));
}
