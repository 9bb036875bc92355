// Owns: how many publications a gap stands for.

/**
 * A broker that lost its newest publications, or cannot rule it out, continues this much further in
 * the same epoch, so that no offset is used twice. What is older keeps its position; how many are
 * lost nobody knows.
 */
export const OFFSET_JUMP = 1_000_000_000;

/**
 * Publications in a gap from `from` to `to`; 0 if the number is unknown: another epoch, or a
 * jump.
 */
export const gapSize = (from: number, to: number | null): number => {
  const size = to === null ? 0 : Math.max(0, to - from + 1);
  return size >= OFFSET_JUMP ? 0 : size;
};
