// Owns: how long a part of a node waits before it tries again what failed.
import type { Random } from "./ports.ts";

/**
 * Ms to wait after `failures` in a row, the last one not counted: they double from `firstMs` to
 * `mostMs`, and up to half of them is left to chance.
 */
export function backoffMs(
  failures: number,
  random: Pick<Random, "next">,
  { firstMs = 100, mostMs = 5000 } = {},
): number {
  return Math.min(mostMs, firstMs * 2 ** failures) * (0.5 + random.next() / 2);
}
