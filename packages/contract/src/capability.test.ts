// Owns: checks of what a token's capabilities allow.
import { describe, expect, test } from "bun:test";
import { Capabilities } from "./capability.ts";

describe("what a capability's channel covers", () => {
  const rows: [cap: string, channel: string, allowed: boolean][] = [
    ["chat:lobby", "chat:lobby", true],
    ["chat:lobby", "chat:lobby2", false],
    ["chat:*", "chat:lobby", true],
    ["chat:*", "chat:a:b", true],
    ["chat:*", "chat:", false],
    ["chat:*", "chat", false],
    ["chat:*", "xchat:a", false],
    ["*", "anything:at:all", true],
    ["chat:{room}", "chat:lobby", true],
    ["chat:{room}", "chat:a:b", false],
    ["chat:{rest*}", "chat:a:b", true],
    ["c*t:a", "cat:a", false],
    ["**", "x", false],
    ["chat:{room}*", "chat:x*", false],
    ["chat:{", "chat:{", false],
    ["", "x", false],
    ["__proto__", "toString", false],
  ];
  const capabilities = new Capabilities();
  for (const [cap, channel, allowed] of rows) {
    test(`${cap || "(empty)"} ${allowed ? "covers" : "does not cover"} ${channel}`, () => {
      expect(capabilities.allow([{ channel: cap, actions: ["publish"] }], "publish", channel)).toBe(
        allowed,
      );
    });
  }
});

test("an action that the capability does not name is not allowed", () => {
  const capabilities = new Capabilities();
  const caps = [
    { channel: "chat:*", actions: ["subscribe", "history"] as const },
    { channel: "chat:mine", actions: ["publish"] as const },
  ];
  expect(capabilities.allow(caps, "subscribe", "chat:a")).toBe(true);
  expect(capabilities.allow(caps, "publish", "chat:a")).toBe(false);
  expect(capabilities.allow(caps, "publish", "chat:mine")).toBe(true);
  expect(capabilities.allow([], "subscribe", "chat:a")).toBe(false);
});

test("ever new patterns with parameters are matched and not all remembered", () => {
  const capabilities = new Capabilities();
  for (let n = 0; n < 5000; n++) {
    expect(
      capabilities.allow([{ channel: `c${n}:{x}`, actions: ["publish"] }], "publish", `c${n}:y`),
    ).toBe(true);
  }
  expect(capabilities.remembered).toBeLessThanOrEqual(1024);
});
