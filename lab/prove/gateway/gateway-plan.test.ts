import { expect, test } from "bun:test";
import { echo, held } from "./apps/echo.ts";
import { GATEWAY_HELP, gatewayPlanFrom, stepsOf } from "./gateway-plan.ts";

test("without arguments: everything; the fronts and clients are the applications' own", () => {
  const plan = gatewayPlanFrom(["--gateway"]);
  expect(plan).toMatchObject({ pace: 1, docs: false });
  expect([plan?.fronts, plan?.clients, plan?.everyMs]).toEqual([undefined, undefined, undefined]);
  expect([plan?.apps.length, plan?.steps.length]).toEqual([10, 12]);
});

test("the steps in which nobody moves are always there, because pauses are compared with them", () => {
  const plan = gatewayPlanFrom(["--gateway", "--steps", "kill-one", "--quick"]);
  expect(plan === undefined ? [] : stepsOf(plan, echo).map(({ name }) => name)).toEqual([
    "steady",
    "neighbours",
    "kill-one",
  ]);
  expect(plan).toMatchObject({ clients: 20, pace: 0.2 });
});

test("an application may be for some steps alone", () => {
  const plan = gatewayPlanFrom(["--gateway"]);
  expect(plan === undefined ? [] : stepsOf(plan, held).map(({ name }) => name)).toEqual(["steady"]);
});

test.each([
  ["--apps", "no"],
  ["--fronts", "gateway,no"],
  ["--steps", ""],
  ["--clients", "0"],
  ["--every", "x"],
])("%s %p is refused", (option, value) => {
  expect(() => gatewayPlanFrom(["--gateway", option, value])).toThrow(`--${option.slice(2)}`);
});

test("help names what there is", () => {
  expect(gatewayPlanFrom(["--gateway", "--help"])).toBeUndefined();
  for (const name of ["hocuspocus", "haproxy", "slow-clients"])
    expect(GATEWAY_HELP).toContain(name);
});
