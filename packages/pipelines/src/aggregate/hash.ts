// Owns: the hash behind sketches, samples and partitions: the same on every runtime and version.

/**
 * MurmurHash3 (Austin Appleby), 32 bits, over the UTF-16 units of the text, two at a time. Never
 * change it: partitions and kept sketches depend on it.
 */
export function hash32(text: string, seed = 0): number {
  let hash = seed;
  const { length } = text;
  for (let at = 0; at < length; at += 2) {
    let word = text.charCodeAt(at) | ((at + 1 < length ? text.charCodeAt(at + 1) : 0) << 16);
    word = Math.imul(word, 0xcc9e2d51);
    word = (word << 15) | (word >>> 17);
    hash ^= Math.imul(word, 0x1b873593);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  hash ^= length * 2;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
