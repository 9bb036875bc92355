// Owns: UTF-8, base64 and the walk over MessagePack agree with the runtime and with msgpackr.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import { encodeBase64, fromBase64, toBase64 } from "./base64.ts";
import { MsgpackWalk } from "./msgpack-walk.ts";
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

test("the walk passes over everything plain that msgpackr writes, to its end", () => {
  const packr = new Packr({ useRecords: false });
  const date = fc.date({
    noInvalidDate: true,
    min: new Date(-8_639_999_999_000_000),
    max: new Date(8_639_999_999_000_000),
  });
  const leaf = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array(),
    date,
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: "small" },
      leaf,
      fc.array(tie("tree")),
      fc.dictionary(
        fc.string().filter((name) => name !== "__proto__"),
        tie("tree"),
      ),
    ),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      const bytes = packr.pack(value);
      const walk = new MsgpackWalk(bytes);
      expect([walk.value(), walk.found, walk.position]).toEqual([true, "", bytes.length]);
    }),
    { numRuns: 500 },
  );
});

test("whatever the walk passes, msgpackr reads to the same end", () => {
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
  const token = fc.oneof(
    fc.nat(255),
    fc.constantFrom(0x81, 0x91, 0xa1, 0xc4, 0xca, 0xcb, 0xcc, 0xd0, 0xd6, 0xd9, 0xdc, 0xde),
  );
  let passed = 0;
  fc.assert(
    fc.property(fc.array(token, { minLength: 1, maxLength: 12 }), (list) => {
      const bytes = new Uint8Array(list);
      const walk = new MsgpackWalk(bytes);
      if (!walk.value()) return;
      passed++;
      expect(() => unpackr.unpack(bytes, { start: 0, end: walk.position })).not.toThrow();
    }),
    { numRuns: 5000 },
  );
  expect(passed).toBeGreaterThan(500);
});
