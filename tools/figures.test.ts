import { expect, test } from "bun:test";
import { withFigures } from "./figures.ts";

const result = { idleBytes: { median: 2690 }, fanOuts: { room: { userUs: { median: 0.5678 } } } };

test("marked figures become the benchmark's medians, and nothing else changes", () => {
  const text =
    "| a | 9.9 <!-- measured: idleBytes kB --> kB | 1 |\n| b | 17 <!-- measured: fanOuts.room.userUs --> | 17 |";
  expect(withFigures(text, result)).toBe(
    "| a | 2.6 <!-- measured: idleBytes kB --> kB | 1 |\n| b | 0.57 <!-- measured: fanOuts.room.userUs --> | 17 |",
  );
});

test("a figure that the result does not have is an error, not an old number", () => {
  expect(() => withFigures("1 <!-- measured: nothing.there -->", result)).toThrow("nothing.there");
});
