// Checks how values are written.
import { expect, test } from "bun:test";
import { isAddressRange, isHttpUrl, isOrigin } from "./forms.ts";
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

test("origins are what browsers send", () => {
  const good = [
    "*",
    "https://a.example",
    "http://localhost:3000",
    "chrome-extension://abcdef",
    "http://[::1]:80",
  ];
  const bad = [
    "a.example",
    "https://a.example/",
    "https://A.example",
    "https://u@a.example",
    "ftp://a",
    "https://",
    "null",
    "https://a?b",
  ];
  expect(good.filter(isOrigin)).toEqual(good);
  expect(bad.filter(isOrigin)).toEqual([]);
});

test("address ranges are IPv4 or IPv6 with a fitting prefix", () => {
  const good = ["10.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "::ffff:10.0.0.1", "0.0.0.0/0"];
  const bad = [
    "10.0.0",
    "10.0.0.256",
    "01.2.3.4",
    "10.0.0.0/33",
    "::1/129",
    "host",
    "10.0.0.0/8/8",
    ":",
    "10.0.0.0/",
    "1:2",
  ];
  expect(good.filter(isAddressRange)).toEqual(good);
  expect(bad.filter(isAddressRange)).toEqual([]);
});

test("keys come over https, or from loopback", () => {
  expect(
    [
      "https://a/k",
      "http://127.0.0.1:1/k",
      "http://[::1]/k",
      "http://a/k",
      "file:///k",
      "https://u:p@a/k",
      "x",
    ].map(isHttpUrl),
  ).toEqual([true, true, true, false, false, false, false]);
});

test("the nearest name is a plausible slip or none", () => {
  const names = ["port", "internalPort", "limits.subscriptionsMax"];
  expect(
    ["prot", "internal_port", "limits.subscriptionMax", "qqqqqq", ""].map((name) =>
      nearestName(name, names),
    ),
  ).toEqual(["port", "internalPort", "limits.subscriptionsMax", undefined, undefined]);
});
