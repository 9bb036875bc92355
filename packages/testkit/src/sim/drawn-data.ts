// Owns: values of every kind that the specification calls data (spec/protocol.md, section 1.4), and
// some that it does not.
import type { SeededRandom } from "@holdfast/core";

/** Lists and maps may be this deep. */
const DEPTH_MAX = 128;
/** Most data is as deep as this. */
const LEVELS = 4;
const SAFE = Number.MAX_SAFE_INTEGER;

const NUMBERS: readonly number[] = [
  ...[0, -0, 1, -1, 23, 24, 127, 128, -32, -33, -128, -129, 255, 256, 32_767, 32_768, -32_769],
  ...[65_535, 65_536, 2 ** 31 - 1, 2 ** 31, -(2 ** 31) - 1, 2 ** 32 - 1, 2 ** 32, SAFE, -SAFE],
  ...[2 ** 53, 2 ** 60, 2 ** 64, -(2 ** 70), 0.1, -0.5, 1 / 3, 1e21, 1e-7, 5e-324, 1.5e300],
  Number.MAX_VALUE,
];
const TEXTS: readonly string[] = [
  ...["", "a", "\u0000", "\n", "\r\n", "\u2028", '"\\/', "\u007f", "é", "€", "🛶", "\ud83d\ude00"],
  ...["\ufeff", "null", "__proto__", "1e3", "x".repeat(31), "y".repeat(32), "ü".repeat(128)],
];
const KEYS: readonly string[] = [
  ...["a", "b", "", "t", "d", "id", "0", "10", "a.b", "\n", '"', "🛶", "constructor", "toString"],
  ...["length", "k".repeat(32), "\u0000"],
];

/**
 * Something that is data, for a place in at most `above` lists and maps. Some maps have members
 * that are `undefined`.
 */
export function drawData(random: SeededRandom, above = 1): unknown {
  switch (random.int(above < LEVELS ? 9 : 6)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
      return random.pick(NUMBERS);
    case 3:
      return (random.next() - 0.5) * 10 ** random.int(20);
    case 4:
      return random.pick(TEXTS);
    case 5:
      return `${random.pick(TEXTS)}${random.pick(TEXTS)}`;
    case 6:
      return Array.from({ length: random.int(5) }, () => drawData(random, above + 1));
    case 7:
      return random.chance(0.03) ? nested(random, above) : drawMap(random, above);
    default:
      return drawMap(random, above);
  }
}

function drawMap(random: SeededRandom, above: number): unknown {
  const map: Record<string, unknown> = random.chance(0.2) ? Object.create(null) : {};
  for (let count = random.int(5); count > 0; count--)
    map[random.pick(KEYS)] = random.chance(0.1) ? undefined : drawData(random, above + 1);
  return map;
}

/** As deep as data may be. */
function nested(random: SeededRandom, above: number): unknown {
  let value: unknown = random.pick(NUMBERS);
  for (let depth = above; depth < DEPTH_MAX; depth++)
    value = random.chance(0.5) ? [value] : { [random.pick(KEYS)]: value };
  return value;
}

class Point {
  x = 1;
}

/** Something that is no data, wrapped or not: a publisher of it gets an error. */
export function drawNoData(random: SeededRandom): unknown {
  const value = random.pick([
    Number.NaN,
    Number.POSITIVE_INFINITY,
    "half \ud83d",
    new Map([["a", 1]]),
    new Set([1]),
    new Date(0),
    new Float32Array(8),
    new Point(),
    1n,
    { "\udc00": 1 },
    JSON.parse('{"__proto__":1}'),
    [undefined],
  ]);
  return random.pick([value, [value], { a: { b: value } }, [[{ a: 1 }, value]]]);
}
