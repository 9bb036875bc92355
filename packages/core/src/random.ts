// Owns: seeded randomness, so that one seed replays a run.
import type { Random } from "./ports.ts";

export interface SeededRandom extends Random {
  /** A whole number from 0 to `below` - 1. */
  int(below: number): number;
  /** True with probability `p`. */
  chance(p: number): boolean;
  /** One of the items, which must not be none. */
  pick<T>(items: readonly T[]): T;
  /**
   * An independent source that depends on this one's seed and on `label` alone, not on how much was
   * drawn: a new draw in one part does not disturb the others.
   */
  fork(label: string): SeededRandom;
}

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * sfc32 (Chris Doty-Humphrey's small fast counter, 128 bits of state) seeded through splitmix32.
 * The same seed draws the same numbers on every runtime.
 */
export function createSeededRandom(seed: number | string): SeededRandom {
  const draw = sfc32(typeof seed === "number" ? seedOf(String(seed)) : seedOf(seed));

  const next = (): number => {
    const high = draw() >>> 5;
    const low = draw() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  };
  const int = (below: number): number => Math.floor(next() * below);

  return {
    next,
    int,
    chance: (p) => next() < p,
    pick(items) {
      if (items.length === 0) throw new RangeError("nothing to pick from");
      return items[int(items.length)] as (typeof items)[number];
    },
    id() {
      let text = "";
      let bits = 0;
      let bitCount = 0;
      for (let word = 0; word < 4; word++) {
        const value = draw() >>> 0;
        for (let byte = 24; byte >= 0; byte -= 8) {
          bits = ((bits << 8) | ((value >>> byte) & 0xff)) & 0xffff;
          bitCount += 8;
          while (bitCount >= 5) {
            bitCount -= 5;
            text += BASE32[(bits >>> bitCount) & 31];
          }
        }
      }
      return text + BASE32[(bits << (5 - bitCount)) & 31];
    },
    fork: (label) => createSeededRandom(`${seed}/${label}`),
  };
}

/** Four words of state from any text (FNV-1a, then splitmix32). */
function seedOf(text: string): readonly [number, number, number, number] {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash ^= text.charCodeAt(index);
    hash = Math.imul(hash, 0x01000193);
  }
  const mix = (): number => {
    hash = (hash + 0x9e3779b9) | 0;
    let word = hash ^ (hash >>> 16);
    word = Math.imul(word, 0x21f0aaad);
    word ^= word >>> 15;
    word = Math.imul(word, 0x735a2d97);
    return (word ^ (word >>> 15)) | 0;
  };
  return [mix(), mix(), mix(), 1];
}

function sfc32([first, second, third, start]: readonly [
  number,
  number,
  number,
  number,
]): () => number {
  let a = first;
  let b = second;
  let c = third;
  let counter = start;
  const draw = (): number => {
    const word = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + word) | 0;
    return word;
  };
  for (let round = 0; round < 12; round++) draw();
  return draw;
}
