// Checks that names of a fleet's nodes tell their place, fit their limit, and are options that the
// table takes.
import { expect, test } from "bun:test";
import { loadConfig } from "@holdfast/config";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { FLEET_NODES_MAX, nodeName, revisionName, slotOf } from "./fleet-names.ts";

test("a name tells the place and how many nodes were started there", () => {
  expect(nodeName("node", { slot: 1, life: 3, revision: 2 })).toBe("node-b3");
  expect(revisionName("dev", { slot: 1, life: 3, revision: 2 })).toBe("dev-2");
});

test("the place can be read back from every name that a fleet gives, and from no other", () => {
  for (let slot = 0; slot < FLEET_NODES_MAX; slot++) {
    for (const life of [1, 12, 12_345])
      expect(slotOf(nodeName("my-node.z1", { slot, life, revision: 1 }))).toBe(slot);
  }
  for (const other of ["node-k3ja81xo", "node", "node-b", "a1", ""])
    expect(slotOf(other)).toBeUndefined();
});

test("names of the longest base that an option takes are taken too", () => {
  const place = { slot: FLEET_NODES_MAX - 1, life: 999_999, revision: 999_999 };
  const base = "x".repeat(64);
  const { ok } = loadConfig(NODE_OPTIONS, {
    env: {},
    flags: { nodeId: nodeName(base, place), revision: revisionName(base, place) },
  });
  expect(ok).toBe(true);
});
