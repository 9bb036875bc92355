import { expect, test } from "bun:test";
import { ArgumentError, planFrom } from "./plan.ts";

test("without arguments everything is measured in three rounds, Centrifugo apart", () => {
  const plan = planFrom([]);
  expect(plan).toMatchObject({ rounds: 3, quick: false, resume: false });
  expect(plan?.scenarios).toContain("nodes-3");
  expect(plan?.rivals).toEqual([
    "bun",
    "ws",
    "socketio",
    "holdfast",
    "socketio-redis",
    "holdfast-redis",
  ]);
});

test("Centrifugo takes part where a program or an address is given", () => {
  expect(planFrom(["--centrifugo", "/opt/centrifugo"])).toMatchObject({
    centrifugo: { path: "/opt/centrifugo" },
  });
  expect(planFrom(["--url", "ws://localhost:8000/connection/websocket"])?.rivals).toContain(
    "centrifugo",
  );
});

test("scenarios and servers are measured in their own order, however they are named", () => {
  expect(planFrom(["--only", "memory,fanout", "--rivals", "holdfast,bun"])).toMatchObject({
    scenarios: ["fanout", "memory"],
    rivals: ["bun", "holdfast"],
  });
});

const wrong: readonly (readonly [args: readonly string[], said: string])[] = [
  [["--rounds", "0"], "found --rounds 0, expected a whole number from 1 to 100"],
  [["--rounds", "two"], "found --rounds two"],
  [["--only", "fanout,nothing"], "found --only nothing, expected some of fanout, rooms"],
  [["--rivals", ""], "found --rivals , expected some of bun"],
  [["--url", "http://localhost"], "expected ws:// or wss://"],
  [["--url", "ws://a", "--centrifugo", "b"], "expected one of them"],
  [["--fast"], "--fast"],
];

test("arguments that mean nothing are refused with what was expected", () => {
  for (const [args, said] of wrong) {
    expect(() => planFrom(args)).toThrow(said);
    expect(() => planFrom(args)).toThrow(ArgumentError);
  }
});

test("help is no plan", () => {
  expect(planFrom(["--help"])).toBeUndefined();
});
