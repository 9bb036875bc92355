// Owns: checks of marks.
import { describe, expect, test } from "bun:test";
import {
  findMark,
  MARK_BYTES,
  type Mark,
  markText,
  payloadMaker,
  readMark,
} from "./payload-stamp.ts";

const mark = { run: 0xbeef, stream: 70_000, n: 123_456_789, intendedUs: 1_790_000_000_123_456 };
const read = (text: string): Mark | undefined => {
  const bytes = Buffer.from(text);
  const into: Mark = { run: 0, stream: 0, n: 0, intendedUs: 0 };
  const at = findMark(bytes, 0, bytes.length);
  return at !== -1 && readMark(bytes, at, into) ? into : undefined;
};

test("a mark is found and read in any text around it, escaped JSON in JSON too", () => {
  const payload = payloadMaker({ bytes: 100 })(markText(mark));
  expect(Buffer.byteLength(payload)).toBe(100);
  expect(read(payload)).toEqual(mark);
  expect(read(JSON.stringify({ event: "m", data: JSON.stringify(JSON.parse(payload)) }))).toEqual(
    mark,
  );
});

test("a template of the user's is filled to size, and one that is larger stays as it is", () => {
  const make = payloadMaker({ bytes: 120, template: '{"text":"{mark}{fill}","n":1}' });
  expect(Buffer.byteLength(make(markText(mark)))).toBe(120);
  expect(read(make(markText(mark)))).toEqual(mark);
  expect(payloadMaker({ bytes: 1, template: '"{mark}"' })("m")).toBe('"m"');
});

describe("what is no mark is not read as one", () => {
  for (const text of [
    "",
    "@hf1.",
    `@hf1.${"g".repeat(MARK_BYTES)}`,
    markText(mark).slice(0, -1),
    "hello",
  ])
    test(JSON.stringify(text), () => expect(read(text)).toBeUndefined());
});
