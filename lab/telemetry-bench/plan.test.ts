import { expect, test } from "bun:test";
import { ArgumentError } from "../compare/plan.ts";
import { HELP, planFrom, turnsOf } from "./plan.ts";

test("without more arguments everything of the subject is measured in three rounds", () => {
  const plan = planFrom(["--mqtt"]);
  expect(plan).toMatchObject({ name: "mqtt", rounds: 3, quick: false, resume: false });
  expect(plan?.rivals).toContain("mosquitto");
  expect(plan?.scenarios).toContain("idle");
});

test("servers take turns within a scenario, scenarios within a round, and memory has one round", () => {
  const plan = planFrom(["--mqtt", "--only", "one-to-one,idle", "--rivals", "holdfast,mosquitto"]);
  if (plan === undefined) throw new Error("no plan");
  expect(
    turnsOf(plan).map(({ scenario, rival, round }) => `${round} ${scenario} ${rival}`),
  ).toEqual([
    "1 one-to-one mosquitto",
    "1 one-to-one holdfast",
    "1 idle mosquitto",
    "1 idle holdfast",
    "2 one-to-one mosquitto",
    "2 one-to-one holdfast",
    "3 one-to-one mosquitto",
    "3 one-to-one holdfast",
  ]);
});

test.each([
  [[]],
  [["--mqtt", "--only", "fanout"]],
  [["--mqtt", "--rivals", "emqx"]],
  [["--mqtt", "--pipelines"]],
  [["--pipelines", "--rivals", "mosquitto"]],
  [["--mqtt", "--rounds", "0"]],
  [["--mqtt", "--url", "x"]],
])("%p is refused with words", (args) => {
  expect(() => planFrom(args as string[])).toThrow(ArgumentError);
});

test("help names every scenario and server", () => {
  expect(planFrom(["--help"])).toBeUndefined();
  for (const word of ["one-to-many", "subscribed", "aedes", "benthos", "holdfast-redis"])
    expect(HELP).toContain(word);
});
