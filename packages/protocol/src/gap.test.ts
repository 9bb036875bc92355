import { expect, test } from "bun:test";
import { gapSize, OFFSET_JUMP } from "./gap.ts";

test.each([
  ["one publication", 5, 5, 1],
  ["several", 3, 7, 5],
  ["another epoch: nobody knows", 3, null, 0],
  ["a jump: nobody knows", 3, 2 + OFFSET_JUMP, 0],
  ["nothing", 8, 7, 0],
])("a gap of %s", (_what, from, to, size) => {
  expect(gapSize(from, to)).toBe(size);
});
