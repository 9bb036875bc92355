// Owns: UTF-8, base64 and the walk over MessagePack agree with the runtime and with msgpackr.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import { encodeBase64, fromBase64, toBase64 } from "./base64.ts";
import { unpack, unpackAll } from "./msgpack-read.ts";
import { jsonTextOf, msgpackOf } from "./msgpack-values.ts";
import { MsgpackWalk } from "./msgpack-walk.ts";
import { pack } from "./msgpack-write.ts";
import { textOf, writeText } from "./text-bytes.ts";
import { fitsUtf8, hasLoneSurrogate, isUtf8, utf8Length } from "./utf8.ts";

const anyText = fc.string({ unit: "binary" });

test("the UTF-8 length of any text is the encoder's", () => {
  fc.assert(
    fc.property(anyText, fc.nat(60), (text, bytesMax) => {
      const size = new TextEncoder().encode(text).length;
      expect(utf8Length(text)).toBe(size);
      expect(fitsUtf8(text, bytesMax)).toBe(size <= bytesMax);
      expect(hasLoneSurrogate(text)).toBe(
        !(text as string & { isWellFormed(): boolean }).isWellFormed(),
      );
    }),
  );
});

test("lone surrogates count three bytes, pairs four", () => {
  for (const [text, bytes] of [
    ["\ud800", 3],
    ["\udc00", 3],
    ["\ud83d\ude00", 4],
    ["\ud83d\ud83d\ude00", 7],
    ["\ude00\ud83d", 6],
  ] as const) {
    expect(utf8Length(text)).toBe(bytes);
  }
});

test("bytes are UTF-8 when the strict decoder takes them", () => {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const lead = fc.constantFrom(
    0x41,
    0x80,
    0xbf,
    0xc0,
    0xc1,
    0xc2,
    0xdf,
    0xe0,
    0xed,
    0xef,
    0xf0,
    0xf4,
    0xf5,
    0xff,
    0x8f,
    0x90,
    0x9f,
    0xa0,
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(lead, fc.nat(255)), { maxLength: 6 }), (list) => {
      const bytes = new Uint8Array(list);
      let isStrict = true;
      try {
        decoder.decode(bytes);
      } catch {
        isStrict = false;
      }
      expect(isUtf8(bytes, 0, bytes.length)).toBe(isStrict);
    }),
    { numRuns: 5000 },
  );
});

test("base64 is the runtime's, with its help and without, and reads back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const text = Buffer.from(bytes).toString("base64");
      expect(toBase64(bytes)).toBe(text);
      expect(encodeBase64(bytes)).toBe(text);
      expect(fromBase64(text)).toEqual(bytes);
    }),
  );
});

for (const text of [
  "A",
  "AA",
  "AAA",
  "AA=",
  "A===",
  "====",
  "=AAA",
  "AA=A",
  "AB==",
  "AAB=",
  "AA A",
  "AA\nA",
  "-_-_",
  "AAAA====",
  "AAA\u00e9",
  "AAA\ud800",
  "AA==AA==",
]) {
  test(`base64 ${JSON.stringify(text)} is refused`, () => {
    expect(fromBase64(text)).toBeUndefined();
  });
}

test("text is written and read as the runtime writes and reads it", () => {
  fc.assert(
    fc.property(anyText, fc.nat(5), (text, at) => {
      const bytes = new Uint8Array(at + text.length * 3);
      const end = writeText(text, bytes, at);
      expect(end).toBe(hasLoneSurrogate(text) ? -1 : at + new TextEncoder().encode(text).length);
      if (end >= 0) expect(textOf(bytes, at, end)).toBe(text);
    }),
    { numRuns: 2000 },
  );
  expect(textOf(new TextEncoder().encode("\ufeffa"), 0, 4)).toBe("\ufeffa");
  expect(() => textOf(new Uint8Array([0xc0, 0x80]), 0, 2)).toThrow(TypeError);
});

/** Anything plain, as another library may write it. */
const plain = fc.jsonValue({ stringUnit: "grapheme", maxDepth: 6 }).map((value) => strip(value));
const strip = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value).replaceAll("__proto__", "proto"));

test("what we write in MessagePack another library reads, and the other way round", () => {
  const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: "number" });
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.maxSafeInteger(),
    ...[7, 8, 15, 16, 31, 32, 53].map((bits) =>
      fc.integer({ min: -3, max: 3 }).map((n) => (n % 2 ? -1 : 1) * 2 ** bits + n),
    ),
  );
  const long = fc.tuple(
    fc.constantFrom(0, 15, 16, 31, 32, 85, 86, 21_845, 21_846, 70_000),
    fc.boolean(),
  );
  const sized = long.map(([size, isList]) => (isList ? new Array(size).fill(1) : "x".repeat(size)));
  fc.assert(
    fc.property(fc.oneof(plain, fc.array(number), sized), (given) => {
      const value = JSON.parse(JSON.stringify(given));
      const bytes = pack(value);
      expect(packr.unpack(bytes)).toEqual(value);
      expect(unpack(bytes)).toEqual(value);
      expect(unpack(new Uint8Array(packr.pack(value)))).toEqual(value);
      for (const written of [bytes, new Uint8Array(packr.pack(value))]) {
        const walk = new MsgpackWalk(written);
        expect([walk.data(), walk.found, walk.position]).toEqual([true, "", written.length]);
        const skipping = new MsgpackWalk(written);
        expect([skipping.skip(), skipping.position]).toEqual([true, written.length]);
      }
    }),
    { numRuns: 300 },
  );
});

test("byte strings of every size are written and read", () => {
  for (const size of [0, 1, 255, 256, 65_535, 65_536]) {
    const bytes = new Uint8Array(size).fill(7);
    expect(unpackAll(pack({ b: bytes }))).toEqual([{ b: bytes }]);
  }
});

test("whatever the walk takes for data, every reader reads to the same end and the same value", () => {
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });
  const token = fc.oneof(
    fc.nat(255),
    fc.constantFrom(0x81, 0x82, 0x91, 0xa1, 0x61, 0xca, 0xcb, 0xcc, 0xd0, 0xd3, 0xd9, 0xdc, 0xde),
  );
  let passed = 0;
  fc.assert(
    fc.property(fc.array(token, { minLength: 1, maxLength: 12 }), (list) => {
      const bytes = new Uint8Array(list);
      const walk = new MsgpackWalk(bytes);
      if (!walk.data()) return;
      passed++;
      const skipping = new MsgpackWalk(bytes);
      expect([skipping.skip(), skipping.position]).toEqual([true, walk.position]);
      const whole = bytes.slice(0, walk.position);
      expect(unpack(whole)).toEqual(unpackr.unpack(whole));
      // What one codec takes, the other carries; -0 and 0 are one number.
      const value = JSON.parse(JSON.stringify(unpack(whole)));
      expect(unpack(msgpackOf(jsonTextOf(whole)))).toEqual(value);
    }),
    { numRuns: 5000 },
  );
  expect(passed).toBeGreaterThan(500);
});
