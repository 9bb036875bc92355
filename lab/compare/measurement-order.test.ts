import { expect, test } from "bun:test";
import { isComplete, turnsOf } from "./measurement-order.ts";
import { planFrom } from "./plan.ts";

const planOf = (...args: string[]) => {
  const plan = planFrom(args);
  if (plan === undefined) throw new Error("no plan");
  return plan;
};

test("servers take turns within a scenario, scenarios within a round; two rounds of memory are enough", () => {
  const turns = turnsOf(planOf("--only", "fanout,memory", "--rivals", "bun,holdfast")).map(
    ({ scenario, rival, round }) => `${round} ${scenario} ${rival}`,
  );
  expect(turns).toEqual([
    ...["1 fanout bun", "1 fanout holdfast", "1 memory bun", "1 memory holdfast"],
    ...["2 fanout bun", "2 fanout holdfast", "2 memory bun", "2 memory holdfast"],
    ...["3 fanout bun", "3 fanout holdfast"],
  ]);
});

test("a server elsewhere is not measured for its memory, which cannot be seen", () => {
  const scenariosOf = (...args: string[]) =>
    turnsOf(planOf("--rivals", "centrifugo", "--rounds", "1", ...args)).map(
      ({ scenario }) => scenario,
    );
  expect(scenariosOf("--centrifugo", "/opt/centrifugo")).toEqual([
    "fanout",
    "rooms",
    "memory",
    "recovery",
  ]);
  expect(scenariosOf("--url", "ws://localhost:8000/connection/websocket")).toEqual([
    "fanout",
    "rooms",
    "recovery",
  ]);
});

test("a result is complete when every server was measured in every scenario and round, Centrifugo apart", () => {
  const measurements = turnsOf(planOf("--rounds", "3")).map((turn) => ({ ...turn, figures: {} }));
  expect(isComplete({ measurements }, 3)).toBe(true);
  expect(isComplete({ measurements }, 4)).toBe(false);
  for (const left of measurements)
    expect(isComplete({ measurements: measurements.filter((one) => one !== left) }, 3)).toBe(false);
});
