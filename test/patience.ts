// Owns: the time limits of tests, which are longer on a machine that is slow or busy.

/**
 * `ms` on a quiet machine, times how much slower this one is. `npm test` measures that before each
 * stage and says it in TEST_SLOWNESS; without it, `ms`. For limits alone, never for what a
 * test asserts.
 */
export function patience(ms: number): number {
  const slowness = Number(process.env.TEST_SLOWNESS ?? 1);
  return Math.round(ms * (slowness >= 1 ? slowness : 1));
}
