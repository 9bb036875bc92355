// Owns: which revision a client belongs to while two of them run beside each other.

/** Percent of the clients for each revision. All others belong to the revisions without a part. */
export type CohortWeights = ReadonlyMap<string, number>;

/**
 * Keeps the endpoints of the client's cohort. `place` is the client's own, in [0, 1): the same for
 * as long as it is held, or for as long as it says the same key. Who belongs to a revision belongs
 * to it with a greater weight, too. Without an endpoint of the cohort any other is better than
 * none.
 */
export function ofCohort<T>(
  from: readonly T[],
  { weights, place }: { readonly weights: CohortWeights; readonly place: number | undefined },
  revisionOf: (one: T) => string | undefined,
): readonly T[] {
  if (weights.size === 0 || place === undefined) return from;
  const wanted = revisionAt(weights, place);
  const own = from.filter((one) => {
    const revision = revisionOf(one);
    return wanted === undefined
      ? revision === undefined || !weights.has(revision)
      : revision === wanted;
  });
  return own.length > 0 ? own : from;
}

/** Undefined: none of those that have a part. */
function revisionAt(weights: CohortWeights, place: number): string | undefined {
  let below = 0;
  for (const [revision, percent] of weights) {
    below += percent / 100;
    if (place < below) return revision;
  }
  return undefined;
}
