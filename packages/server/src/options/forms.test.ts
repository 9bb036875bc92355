import { expect, test } from "bun:test";
import { isBasePath, isHttpUrl, isOrigin } from "./forms.ts";
import { canonicalOrigin, isOriginOf, readOriginPattern } from "./origins.ts";

test("origins are what browsers send", () => {
  const good = [
    "*",
    "https://a.example",
    "https://A.example:443",
    "https://*.a.example",
    "https://*.localhost:3000",
    "http://localhost:3000",
    "chrome-extension://abcdef",
    "capacitor://localhost",
    "http://[::1]:80",
    "null",
    "file://",
  ];
  const bad = [
    "a.example",
    "https://a.example/",
    "https://u@a.example",
    "ftp://a",
    "wss://a.example",
    "https://",
    "https://a?b",
    "https://*",
    "https://*.com",
    "https://*.10.0.0.1",
    "https://a.*.example",
    "https://a*.example",
    "https://*.*.example.com",
    "app://*.a",
    "file:///a",
    "https://a.example https://b.example",
    "",
  ];
  expect(good.filter(isOrigin)).toEqual(good);
  expect(bad.filter(isOrigin)).toEqual([]);
});

test("a listed origin means the spelling that browsers send, and no listed origin means nothing", () => {
  const sent = [
    ["https://A.example:443", "https://a.example"],
    ["http://bücher.example:80", "http://xn--bcher-kva.example"],
    ["https://*.a.example", "https://x.a.example"],
    ["https://*.a.example:444", "https://x.a.example:444"],
    ["Capacitor://localhost", "capacitor://localhost"],
    ["null", "null"],
    ["file://", "file://"],
  ] as const;
  for (const [text, origin] of sent) {
    const pattern = readOriginPattern(text);
    expect([text, pattern !== undefined && isOriginOf(pattern, origin)]).toEqual([text, true]);
    expect(canonicalOrigin(origin)).toBe(origin);
  }
});

test("a base path is one that no proxy rewrites", () => {
  const good = ["/", "/realtime", "/a/b.c", "/a-b/_~", "/..a"];
  const bad = [
    "",
    "realtime",
    "/a/",
    "//",
    "/a//b",
    "/a/../b",
    "/.",
    "/a%2fb",
    "/a*",
    "/:a",
    "/a b",
  ];
  expect(good.filter(isBasePath)).toEqual(good);
  expect(bad.filter(isBasePath)).toEqual([]);
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
