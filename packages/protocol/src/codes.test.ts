// Owns: the table of codes keeps its own rules.
import { expect, test } from "bun:test";
import { CODES, type CodeRow, codeName, mayReconnect } from "./index.ts";

test("every code has a number of its own", () => {
  const numbers = Object.values(CODES).map((row) => row.number);
  expect(new Set(numbers).size).toBe(numbers.length);
});

/** Numbers and close codes that meant something once. */
const RETIRED = [155, 4505];

test("numbers and close codes that meant something once mean nothing else", () => {
  for (const row of Object.values<CodeRow>(CODES))
    expect(RETIRED.filter((number) => number === row.number || number === row.close)).toEqual([]);
});

test("codes keep to their ranges: 1xx close, 2xx and 3xx do not, and the close code says whether to come back", () => {
  for (const row of Object.values<CodeRow>(CODES)) {
    expect(row.number >= 100 && row.number < 400).toBe(true);
    expect(row.close !== undefined).toBe(row.number < 200);
    if (row.close !== undefined) expect(mayReconnect(row.close)).toBe(row.retry !== "never");
  }
  expect(codeName(153)).toBe("frame_invalid");
  expect(codeName(9999)).toBeUndefined();
});
