import { expect, test } from "bun:test";
import type { Json } from "@holdfast/kube";
import { ReplicaOwners } from "./replica-owners.ts";

const MINUTE_MS = 60_000;

/** As the API server shows who wrote what; the last one named wrote last. */
const written = (replicas: number, ...managers: readonly string[]): Json => ({
  metadata: {
    managedFields: [
      { manager: "helm", time: "2026-11-30T09:00:00Z", fieldsV1: { "f:spec": { "f:drain": {} } } },
      ...managers.map((manager, i) => ({
        ...{ manager, time: `2026-11-30T10:00:0${i}Z` },
        fieldsV1: { "f:spec": { "f:replicas": {} } },
      })),
    ],
  },
  spec: { replicas },
});

/** What is said after each write; one minute lies between them. */
const told = (writes: readonly Json[], gapMs = MINUTE_MS): readonly (string | undefined)[] => {
  const owners = new ReplicaOwners();
  return writes.map((stored, i) => owners.fight(stored, i * gapMs));
};

test("two who take the number from each other are named, with what each wrote", () => {
  const fight = told([
    written(7, "kube-controller-manager"),
    written(3, "argocd"),
    written(7, "kube-controller-manager"),
  ]);
  expect(fight).toEqual([
    undefined,
    undefined,
    "Two owners of spec.replicas: argocd wrote 3, and kube-controller-manager wrote 7 again. Leave replicas out of what one of them applies.",
  ]);
});

test("one owner may change the number as often as it likes", () => {
  const writes = [3, 4, 5, 6, 7, 6, 5, 4, 3, 2].map((n) => written(n, "kube-controller-manager"));
  expect(new Set(told(writes))).toEqual(new Set([undefined]));
});

test("an owner that gives the number to another one fights nobody", () => {
  const writes = [written(3, "helm"), written(4, "keda"), written(5, "keda")];
  expect(new Set(told(writes))).toEqual(new Set([undefined]));
});

test("three who write one after the other fight nobody", () => {
  const writes = [written(3, "helm"), written(4, "keda"), written(5, "kubectl-scale")];
  expect(new Set(told(writes))).toEqual(new Set([undefined]));
});

test("of several who wrote the number, the last one counts", () => {
  const [, , fight] = told([
    written(7, "a", "keda"),
    written(3, "keda", "argocd"),
    written(7, "keda"),
  ]);
  expect(fight).toContain("argocd wrote 3, and keda wrote 7 again");
});

test("a number that nobody is said to have written changes no owner", () => {
  const writes = [written(7, "keda"), written(3), written(7, "keda")];
  expect(new Set(told(writes))).toEqual(new Set([undefined]));
});

test("the operator, which writes a number if there is none, is no owner", () => {
  const writes = [written(7, "keda"), written(3, "holdfast-operator"), written(7, "keda")];
  expect(new Set(told(writes))).toEqual(new Set([undefined]));
});

test("a fight is over when nobody has written for ten minutes", () => {
  const owners = new ReplicaOwners();
  const last = written(7, "keda");
  for (const [i, one] of [written(7, "keda"), written(3, "helm"), last].entries())
    owners.fight(one, i * MINUTE_MS);
  expect(owners.fight(last, 9 * MINUTE_MS)).toBeDefined();
  expect(owners.fight(last, 12 * MINUTE_MS)).toBeUndefined();
});
