// Owns: which endpoint a key gets.

/**
 * Rendezvous hashing (Thaler and Ravishankar, 1998): if an endpoint goes, only its keys move. With
 * weights after Schindelhauer and Schomaker (2005).
 */
export function byRendezvous<T>(
  from: readonly T[],
  key: string,
  of: (one: T) => { readonly address: string; readonly weight: number },
): T | undefined {
  let best: T | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const one of from) {
    const { address, weight } = of(one);
    const score = weight / -Math.log(unitHash(`${key}\n${address}`));
    if (score > bestScore) [best, bestScore] = [one, score];
  }
  return best;
}

/** FNV-1a with the finish of MurmurHash3: in (0, 1). */
export function unitHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (((hash ^ (hash >>> 16)) >>> 0) + 0.5) / 2 ** 32;
}
