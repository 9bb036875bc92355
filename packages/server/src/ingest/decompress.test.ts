// Checks that compressed bodies are whole and bounded, also if the runtime's decoder is not strict.
import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { decompress, encodingOf } from "./decompress.ts";
import { zstdProblem } from "./zstd-frames.ts";

const MAX = 1024 * 1024;
const TEXT = Buffer.from(Array.from({ length: 50_000 }, (_, i) => 97 + ((i * i) % 26)));
const PACKED = { gzip: gzipSync(TEXT), zstd: Bun.zstdCompressSync(TEXT) } as const;
const EACH = ["gzip", "zstd"] as const;

const codeOf = async (bytes: Uint8Array, encoding: (typeof EACH)[number], max = MAX) => {
  const done = await decompress(bytes, encoding, max);
  return done instanceof Uint8Array ? done.length : done.code;
};

test.each(EACH)("%s is undone, also of several members", async (encoding) => {
  const packed = PACKED[encoding];
  expect(await codeOf(packed, encoding)).toBe(TEXT.length);
  expect(await codeOf(Buffer.concat([packed, packed]), encoding)).toBe(2 * TEXT.length);
});

test.each(EACH)(
  "%s that is cut anywhere, or followed by something, is refused",
  async (encoding) => {
    const packed = PACKED[encoding];
    for (let length = 0; length < packed.length; length += Math.ceil(packed.length / 300))
      expect([length, await codeOf(packed.subarray(0, length), encoding)]).toEqual([
        length,
        "request_invalid",
      ]);
    expect(await codeOf(packed.subarray(0, -1), encoding)).toBe("request_invalid");
    const followed = Buffer.concat([packed, Buffer.from("garbage!")]);
    expect(await codeOf(followed, encoding)).toBe("request_invalid");
    expect(await codeOf(Buffer.from("hello world, this is text"), encoding)).toBe(
      "request_invalid",
    );
  },
);

test.each(EACH)("a bomb of %s is refused at the limit", async (encoding) => {
  const zeros = Buffer.alloc(64 * 1024 * 1024);
  const bomb = encoding === "gzip" ? gzipSync(zeros) : Bun.zstdCompressSync(zeros);
  expect(bomb.length).toBeLessThan(100_000);
  expect(await codeOf(bomb, encoding)).toBe("payload_too_large");
  expect(await codeOf(PACKED[encoding], encoding, TEXT.length)).toBe(TEXT.length);
  expect(await codeOf(PACKED[encoding], encoding, TEXT.length - 1)).toBe("payload_too_large");
});

test("zstd with a window that no decoder must take, a dictionary or a reserved bit is refused", () => {
  const frame = (descriptor: number, ...rest: number[]) =>
    new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, descriptor, ...rest]);
  // An empty raw block, the last one.
  const last = [1, 0, 0];
  expect(zstdProblem(frame(0, 0, ...last))).toBeUndefined();
  expect(zstdProblem(frame(0, 13 << 3, ...last))).toBeUndefined();
  expect(zstdProblem(frame(0, (13 << 3) | 1, ...last))).toContain("window");
  expect(zstdProblem(frame(0, 0xff, ...last))).toContain("window");
  expect(zstdProblem(frame(1, 0, 7, ...last))).toContain("dictionary");
  expect(zstdProblem(frame(8, 0, ...last))).toContain("reserved");
  expect(zstdProblem(frame(0, 0, 7, 0, 0))).toContain("reserved block");
  const skippable = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
  expect(zstdProblem(new Uint8Array([...skippable, ...frame(0, 0, ...last)]))).toBeUndefined();
});

test("any bytes are judged without a throw", () => {
  const start = fc.constantFrom([0x28, 0xb5, 0x2f, 0xfd], [0x50, 0x2a, 0x4d, 0x18], []);
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 40 }), (head, rest) => {
      zstdProblem(new Uint8Array([...head, ...rest]));
    }),
    { numRuns: 5_000 },
  );
});

test("one encoding is taken", () => {
  const table: [string | null, ReturnType<typeof encodingOf>][] = [
    [null, "identity"],
    ["identity", "identity"],
    ["GZIP", "gzip"],
    ["zstd", "zstd"],
    ["br", undefined],
    ["deflate", undefined],
    ["gzip, gzip", undefined],
  ];
  for (const [header, encoding] of table)
    expect([header, encodingOf(header)]).toEqual([header, encoding]);
});
