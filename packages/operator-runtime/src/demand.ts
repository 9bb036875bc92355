// Owns: what an autoscaler elsewhere is told of a set: the pods that it needs, or in words why
// nothing is said. A number that nobody knows would take pods away.
import type { Json } from "@holdfast/kube";
import { type Demand, readSet } from "@holdfast/operator";
import { HAND_OVER_ANNOTATION } from "./names.ts";
import { annotationsOf } from "./objects.ts";
import { setKey } from "./set-index.ts";

export interface SetPlace {
  readonly namespace: string;
  readonly name: string;
}

/**
 * - `unavailable`: it may be answered later, or by another operator.
 * - `forbidden`: this operator does not look after the namespace.
 * - `unknown`: there is no such set.
 * - `refused`: it is not answered until somebody changes the set.
 */
export type DemandRefusal = "unavailable" | "forbidden" | "unknown" | "refused";

export type DemandAnswer =
  | { readonly ok: true; readonly demand: Demand }
  | { readonly ok: false; readonly code: DemandRefusal; readonly message: string };

/** What the answer depends on. */
export interface DemandWorld {
  readonly isLeader: boolean;
  /** Everything was listed, and the API server was heard of lately. */
  readonly isUpToDate: boolean;
  /** Empty: all. */
  readonly namespaces: readonly string[];
  readonly nowMs: number;
  stored(key: string): Json | undefined;
  demand(key: string): { readonly demand: Demand | undefined; readonly atMs: number } | undefined;
}

/** Sets are looked at each second. What was seen longer ago is no answer. */
export const DEMAND_AGE_MAX_MS = 10_000;

export function demandFor({ namespace, name }: SetPlace, world: DemandWorld): DemandAnswer {
  const { namespaces } = world;
  if (!world.isLeader) return refuse("unavailable", "this operator does not lead");
  if (namespaces.length > 0 && !namespaces.includes(namespace))
    return refuse(
      "forbidden",
      `found the namespace ${namespace}, expected one of the operator's: ${namespaces.join(", ")}`,
    );
  if (!world.isUpToDate)
    return refuse("unavailable", "the operator has not heard of the API server lately");
  const key = setKey(namespace, name);
  const stored = world.stored(key);
  if (stored === undefined)
    return refuse("unknown", `found no RealtimeSet ${name} in namespace ${namespace}`);
  const problem = problemOf(stored);
  if (problem !== undefined) return refuse("refused", `RealtimeSet ${key}: ${problem}`);
  const seen = world.demand(key);
  if (seen === undefined)
    return refuse("unavailable", `RealtimeSet ${key} was not looked at yet by this operator`);
  const ageMs = world.nowMs - seen.atMs;
  if (ageMs > DEMAND_AGE_MAX_MS)
    return refuse(
      "unavailable",
      `RealtimeSet ${key} was looked at ${Math.round(ageMs / 1000)} s ago, expected ${DEMAND_AGE_MAX_MS / 1000} s at most`,
    );
  if (seen.demand === undefined)
    return refuse("unavailable", `no pod of RealtimeSet ${key} has said yet who is on it`);
  return { ok: true, demand: seen.demand };
}

const refuse = (code: DemandRefusal, message: string): DemandAnswer => ({
  ...{ ok: false, code, message },
});

/** Why nobody else may scale the set as it is. */
function problemOf(stored: Json): string | undefined {
  const read = readSet(stored);
  if (!read.ok) return read.problems.join(" ");
  const { autoscaling } = read.value.spec;
  if (autoscaling !== undefined)
    return `found spec.autoscaling (${autoscaling.minReplicas} to ${autoscaling.maxReplicas} pods), expected none: replicas would have two owners. Remove it, or the ScaledObject`;
  if (read.value.isTerminating) return "it is being deleted";
  if (annotationsOf(stored)[HAND_OVER_ANNOTATION] === "true") return "it is being handed over";
  return undefined;
}
