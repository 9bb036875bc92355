import { describe, expect, test } from "bun:test";
import { HoldfastError } from "./engine/errors.ts";
import { checkOptions, type HoldfastOptions } from "./options.ts";

const refusal = (url: string, options: object = {}) => {
  try {
    checkOptions(url, options as HoldfastOptions);
  } catch (error) {
    return error instanceof HoldfastError ? error : undefined;
  }
  return undefined;
};

test.each([
  ["ws://a/connect", "ws://a/connect"],
  ["wss://a:1/connect?x=1#part", "wss://a:1/connect?x=1"],
  ["http://a/connect", "ws://a/connect"],
  ["https://a/connect", "wss://a/connect"],
])("takes %s as %s", (given, url) => {
  expect(checkOptions(given, {}).url).toBe(url);
  expect(checkOptions(new URL(given), {}).url).toBe(url);
});

test.each(["", "nonsense", "/connect", "ftp://a/", "ws://user:password@a/"])(
  "refuses the URL %p",
  (url) => {
    expect(refusal(url)).toMatchObject({ code: "request_invalid", path: "url" });
  },
);

test("defaults", () => {
  expect(checkOptions("ws://a", {})).toEqual({
    url: "ws://a/",
    connectTimeoutMs: 10_000,
    suspendAfterMs: 30_000,
    requestTimeoutMs: 10_000,
    publishTimeoutMs: 60_000,
    countMax: 1_000,
    bytesMax: 1_048_576,
  });
});

describe("refuses with the option's name", () => {
  test.each<[string, unknown]>([
    ["connectTimeoutMs", 0],
    ["connectTimeoutMs", -1],
    ["suspendAfterMs", 1.5],
    ["requestTimeoutMs", Number.NaN],
    ["publishTimeoutMs", 2 ** 31],
    ["publishTimeoutMs", "10"],
    ["getToken", "secret"],
    ["codec", "msgpack"],
    ["WebSocket", {}],
    ["autoConnect", 1],
    ["name", 5],
    ["name", "x".repeat(41)],
    ["tokn", "typo"],
    ["constructor", 1],
  ])("%s: %p", (name, value) => {
    const error = refusal("ws://a", { [name]: value });
    expect(error).toMatchObject({ code: "request_invalid", path: name });
    expect(error?.message).toMatch(/^Cannot use .*: found .*, expected /);
    // A token put where it does not belong must not show up in logs.
    expect(error?.message).not.toContain("secret");
  });

  test("queueMax", () => {
    expect(refusal("ws://a", { queueMax: { count: 0 } })?.path).toBe("queueMax.count");
    expect(refusal("ws://a", { queueMax: { bytes: "1" } })?.path).toBe("queueMax.bytes");
  });
});
