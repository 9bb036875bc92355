// Checks what arguments mean, and that wrong ones are refused with what is expected.
import { expect, test } from "bun:test";
import { planFrom } from "./plan.ts";

const names = (args: readonly string[]): readonly string[] =>
  planFrom(args)?.steps.map(({ name }) => name) ?? [];

test("by default everything is proven with a thousand clients on Redis", () => {
  expect(planFrom([])).toMatchObject({
    clients: 1000,
    channels: 200,
    broker: "redis",
    rival: "holdfast",
    quick: false,
  });
  expect(names([])).toHaveLength(12);
});
test("the quick one is smaller, has the steps that matter most, and gives way to what is said", () => {
  expect(names(["--quick"])).toEqual([
    "steady",
    "rolling-restart",
    "kill",
    "redis-restart",
    "slow-client",
  ]);
  expect(planFrom(["--quick", "--clients", "50"])).toMatchObject({
    clients: 50,
    channels: 50,
    quick: true,
  });
});
test("without Redis its steps are left out, and refused by name", () => {
  expect(names(["--broker", "link"]).some((name) => name.startsWith("redis"))).toBe(false);
  expect(() => planFrom(["--broker", "link", "--only", "redis-restart"])).toThrow("redis-restart");
});
test("side by side are the steps that ask for nothing that others do not have", () => {
  expect(planFrom(["--against", "socketio"])).toMatchObject({ against: "socketio" });
  expect(names(["--against", "socketio"])).toEqual(["steady", "rolling-restart", "kill"]);
});
test("wrong arguments are refused", () => {
  for (const args of [
    ["--clients", "many"],
    ["--clients", "3"],
    ["--only", "sleep"],
    ["--broker", "nats"],
    ["--against", "nothing"],
    ["--wat"],
    ["extra"],
  ])
    expect(() => planFrom(args)).toThrow(expect.objectContaining({ code: "argument_invalid" }));
  expect(planFrom(["--help"])).toBeUndefined();
});
