// Checks how values are written.
import { expect, test } from "bun:test";
import { nearestName } from "./record.ts";
import { parseBytes, parseDurationMs, parseList, parseNumber } from "./values.ts";

test("durations are whole milliseconds", () => {
  const table: readonly [unknown, number | undefined][] = [
    [5, 5],
    ["5", 5],
    ["5ms", 5],
    ["1.5s", 1500],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["1d", 86_400_000],
    ["0", 0],
    ["0.0001s", undefined],
    [1.5, undefined],
    ["", undefined],
    ["s", undefined],
    ["5 s", undefined],
    ["5M", undefined],
    ["-5s", undefined],
    ["1e3", undefined],
    [null, undefined],
    [true, undefined],
    [Number.NaN, undefined],
    ["99999999999999d", undefined],
  ];
  expect(table.map(([given]) => parseDurationMs(given))).toEqual(
    table.map(([, expected]) => expected),
  );
});

test("sizes tell powers of 1024 from powers of 1000", () => {
  expect(
    ["1KiB", "1kB", "1MiB", "1 MB", "2GiB", "7B", "7", "1.5KiB", "1KB", "1k"].map(parseBytes),
  ).toEqual([1024, 1000, 1_048_576, 1_000_000, 2_147_483_648, 7, 7, 1536, undefined, undefined]);
});

test("numbers are decimal and finite", () => {
  expect(["1", "-1", "1.5", "0x1", "1e5", " 1", "", "NaN"].map(parseNumber)).toEqual([
    1,
    -1,
    1.5,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("lists are taken from arrays, JSON and commas", () => {
  expect([
    parseList("a, b"),
    parseList('["a"]'),
    parseList(""),
    parseList(["x"]),
    parseList("[a"),
    parseList(5),
  ]).toEqual([["a", "b"], ["a"], [], ["x"], undefined, undefined]);
});

test("the nearest name is a plausible slip or none", () => {
  const names = ["port", "internalPort", "limits.subscriptionsMax"];
  expect(
    ["prot", "internal_port", "limits.subscriptionMax", "qqqqqq", ""].map((name) =>
      nearestName(name, names),
    ),
  ).toEqual(["port", "internalPort", "limits.subscriptionsMax", undefined, undefined]);
});
