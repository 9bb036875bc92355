import { expect, test } from "bun:test";
import { Lines } from "./lines.ts";

function cut(bytes: Uint8Array, size: number, bytesMax = 1000) {
  const lines = new Lines(bytesMax);
  const taken: string[] = [];
  let fits = true;
  for (let from = 0; from < bytes.length && fits; from += size)
    fits = lines.push(bytes.subarray(from, from + size), (line) => taken.push(line));
  return { taken, fits, isInside: lines.isInside };
}

const bytes = (text: string) => new TextEncoder().encode(text);

test("lines are the same whatever the chunks, also within a character", () => {
  const wanted = ["ä€😀", "plain", "ß"];
  for (let size = 1; size < 30; size += 1)
    expect(cut(bytes(`${wanted.join("\r\n")}\n\n`), size)).toEqual({
      ...{ taken: wanted, fits: true, isInside: false },
    });
});

test("a line that has not ended is not taken", () => {
  expect(cut(bytes("one\ntwo"), 3)).toEqual({ taken: ["one"], fits: true, isInside: true });
});

test.each([
  [10, true],
  [11, false],
])("a line of %i bytes fits into ten: %p", (length, fits) => {
  for (const end of ["", "\n"])
    for (const size of [1, 4, 100])
      expect(cut(bytes(`a\n${"x".repeat(length)}${end}`), size, 10).fits).toBe(fits);
});
