// Owns: the seeded randomness of a simulated plan: the same seed gives the same plan.

/**
 * Uniform in [0, 1); the same sequence for the same seed (a 32-bit counter through a mixing
 * function, as splitmix32).
 */
export function createChance(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let word = state ^ (state >>> 16);
    word = Math.imul(word, 0x21f0aaad);
    word ^= word >>> 15;
    word = Math.imul(word, 0x735a2d97);
    return ((word ^ (word >>> 15)) >>> 0) / 2 ** 32;
  };
}
