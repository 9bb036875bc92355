import { expect, test } from "bun:test";
import type { NodeFigures } from "@holdfast/core";
import { Load } from "./load.ts";

const OTHER: NodeFigures = {
  node: "b",
  revision: "r1",
  state: "ready",
  startedAtMs: 0,
  connections: 10_000,
  sessions: 10_000,
  handshakesPerSecond: 500,
  lagMs: 0,
  memoryBytes: 0,
  brokerOk: true,
};
const late = (): Load => {
  const load = new Load();
  for (let i = 0; i < 50; i++) load.lag(400);
  return load;
};

test("a late node is overloaded if another one can take newcomers", () => {
  expect(late().overload([OTHER])).toBe("the event loop is 400 ms late, expected at most 250");
  expect(new Load().overload([OTHER])).toBeUndefined();
});

test.each<[string, Partial<NodeFigures>]>([
  ["drains", { state: "draining" }],
  ["starts", { state: "starting" }],
  ["is cut off from its broker", { brokerOk: false }],
  ["is late as well", { lagMs: 251 }],
])(
  "if the only other node %s, a late one stays in the balancer and refuses in words",
  (_, more) => {
    expect(late().overload([{ ...OTHER, ...more }])).toBeUndefined();
  },
);

test("a node alone stays in the balancer, however late it is", () => {
  expect(late().overload([])).toBeUndefined();
});
