import { expect, test } from "bun:test";
import { originAllowed } from "./bun-sockets.ts";
import { clientAddress } from "./client-address.ts";

const request = (origin: string | undefined, host: string): Request =>
  new Request("http://x/connect", {
    headers: { host, ...(origin === undefined ? {} : { origin }) },
  });

const cases: readonly [
  what: string,
  allowed: readonly string[],
  origin: string | undefined,
  host: string,
  may: boolean,
][] = [
  ["a client without an origin", [], undefined, "node:8000", true],
  ["a page of the node itself on localhost", [], "http://localhost:8000", "localhost:8000", true],
  [
    "a page of the node itself under its address",
    [],
    "http://10.0.0.5:8000",
    "10.0.0.5:8000",
    true,
  ],
  ["a page of the node itself under its IPv6 address", [], "http://[::1]:8000", "[::1]:8000", true],
  [
    "a page under a name that somebody pointed at the node",
    [],
    "http://evil.example:8000",
    "evil.example:8000",
    false,
  ],
  ["a page of another port", [], "http://localhost:3000", "localhost:8000", false],
  ["a page of a listed origin", ["https://app.example"], "https://app.example", "node:8000", true],
  [
    "a page of an origin that only begins like a listed one",
    ["https://app.example"],
    "https://app.example.evil",
    "node:8000",
    false,
  ],
  ["any page where all may", ["*"], "https://anything", "node:8000", true],
  ["a page without an origin of its own", [], "null", "localhost:8000", false],
];

for (const [what, allowed, origin, host, may] of cases) {
  test(`${what} ${may ? "may" : "may not"} connect`, () => {
    expect(originAllowed(allowed, request(origin, host))).toBe(may);
  });
}

test("X-Forwarded-For counts only behind trusted proxies, and only as far as they reach", () => {
  const nobody = clientAddress([]);
  expect(nobody("::ffff:10.0.0.1", "1.2.3.4")).toBe("10.0.0.1");
  const inside = clientAddress(["10.0.0.0/8", "fd00::/8"]);
  expect(inside("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.9.9.9")).toBe("1.2.3.4");
  expect(inside("1.1.1.1", "2.2.2.2")).toBe("1.1.1.1");
  expect(inside("fd00::1", "1.2.3.4")).toBe("1.2.3.4");
  expect(inside("10.0.0.1", "not an address")).toBe("10.0.0.1");
  expect(inside("10.0.0.1", null)).toBe("10.0.0.1");
});
