import { expect, test } from "bun:test";
import { cpuBetween } from "./usage-record.ts";

const moments = [
  { atMs: 1000, userUs: 0, systemUs: 0, rssBytes: 1 },
  { atMs: 1100, userUs: 50_000, systemUs: 10_000, rssBytes: 1 },
  { atMs: 1200, userUs: 50_000, systemUs: 40_000, rssBytes: 1 },
];

test("what falls between two readings is drawn straight between them", () => {
  expect(cpuBetween(moments, 1050, 1150)).toEqual({ userUs: 25_000, systemUs: 20_000 });
  expect(cpuBetween(moments, 1000, 1200)).toEqual({ userUs: 50_000, systemUs: 40_000 });
});

test("a span that the readings do not cover is an error", () => {
  expect(() => cpuBetween(moments, 999, 1100)).toThrow("found readings from 1000 to 1200");
  expect(() => cpuBetween(moments, 1100, 1201)).toThrow("found readings from 1000 to 1200");
  expect(() => cpuBetween([], 1100, 1201)).toThrow("Cannot tell");
});
