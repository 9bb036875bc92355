// Owns: checks of what a window makes of dev's answers about its nodes.
import { describe, expect, test } from "bun:test";
import type { FleetNode } from "../names.ts";
import { isRolling, placesOf, ROLL_STEP_MS, readNodes, seeFleet } from "./fleet.ts";

const node = (
  name: string,
  revision: string,
  slot: number,
  state: FleetNode["state"] = "ready",
): FleetNode => ({
  node: name,
  revision,
  slot,
  state,
  sessions: 1,
});
const calm = [node("a1", "dev-1", 0), node("b1", "dev-1", 1)];
const half = [node("a1", "dev-1", 0, "draining"), node("a2", "dev-2", 0), node("b1", "dev-1", 1)];

describe("a fleet", () => {
  test("rolls while there are two revisions and something changes, and no longer", () => {
    const begun = seeFleet(seeFleet(undefined, calm, 1000), half, 2000);
    expect(isRolling(begun, 2000 + ROLL_STEP_MS)).toBe(true);
    expect(isRolling(begun, 2001 + ROLL_STEP_MS)).toBe(false);
    expect(
      isRolling(seeFleet(begun, [node("a2", "dev-2", 0), node("b2", "dev-2", 1)], 3000), 3000),
    ).toBe(false);
    expect(isRolling(undefined, 0)).toBe(false);
  });

  test("that lost a node does not roll", () => {
    expect(isRolling(seeFleet(seeFleet(undefined, calm, 1000), calm.slice(1), 2000), 2000)).toBe(
      false,
    );
  });

  test("does not change because sessions come and go", () => {
    const busier = half.map((one) => ({ ...one, sessions: 5 }));
    expect(seeFleet(seeFleet(undefined, half, 1000), busier, 4000)).toEqual({
      nodes: busier,
      changedAtMs: 1000,
    });
  });

  test("has its places in order: empty, with one node, with two", () => {
    const names = placesOf(half, 3).map((place) => place.map((one) => one.node));
    expect(names).toEqual([["a1", "a2"], ["b1"], []]);
  });
});

describe("an answer of dev", () => {
  test("is taken when it is a list of nodes, up to the limit", () => {
    expect(readNodes(calm, 16)).toEqual(calm);
    expect(readNodes(calm, 1)).toEqual(calm.slice(0, 1));
  });
  test("is refused when it is anything else", () => {
    for (const wrong of [
      undefined,
      {},
      [1],
      [{ ...calm[0], state: "well" }],
      [{ ...calm[0], slot: "0" }],
    ]) {
      expect(readNodes(wrong, 16)).toBeUndefined();
    }
  });
});
