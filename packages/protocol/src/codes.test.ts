import { expect, test } from "bun:test";
import { CODES } from "./index.ts";

test("every code has a number of its own", () => {
  const numbers = Object.values(CODES).map((row) => row.number);
  expect(new Set(numbers).size).toBe(numbers.length);
});
