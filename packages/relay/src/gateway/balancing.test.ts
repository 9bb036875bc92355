import { expect, test } from "bun:test";
import { EndpointTable, stateless } from "@holdfast/rehoming";
import { Balancing, type Movable } from "./balancing.ts";
import type { Route } from "./route.ts";

const CLIENTS = 90;
const ROUTE: Omit<Route, "endpoints"> = {
  ...{ name: "app", path: "/", profile: stateless, openMsMax: 1000, messageBytesMax: 1000 },
  rebalances: true,
};

test("clients that are evened out go one after the other within a second, not all at once", async () => {
  const endpoints = new EndpointTable({ slowStartMs: 0 });
  const takes = { takes: true };
  endpoints.discovered(
    ["a", "b"].map((address) => ({ address, ...takes })),
    0,
  );
  const movedAtMs: number[] = [];
  const clients = Array.from({ length: CLIENTS }, (): Movable => {
    let isMoving = false;
    return {
      ...{ key: undefined, request: {} as Movable["request"] },
      ...{ address: "a", destination: "a" },
      held: {
        get isMoving() {
          return isMoving;
        },
        move() {
          isMoving = true;
          movedAtMs.push(performance.now());
        },
      },
    };
  });
  const balancing = new Balancing({
    ...{ routes: [{ ...ROUTE, endpoints }], perSecondMax: 1000 },
    clients: () => clients,
  });
  balancing.look();
  const atOnce = movedAtMs.length;
  while (movedAtMs.length < 43) await Bun.sleep(10);
  balancing.stop();
  expect(atOnce).toBeGreaterThan(0);
  expect(atOnce).toBeLessThanOrEqual(3);
  // In 20 parts with 50 ms between two.
  expect((movedAtMs.at(-1) ?? 0) - (movedAtMs[0] ?? 0)).toBeGreaterThan(500);
});
