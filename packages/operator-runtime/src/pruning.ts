// Owns: which ReplicaSets of old revisions are not kept any more.
import { at, type Json, number, text } from "@holdfast/kube";
import type { Desired, Observed } from "@holdfast/operator";
import { REVISION_LABEL } from "./names.ts";
import { labelsOf, timeMs } from "./objects.ts";

/** Those without pods, beyond the limit, the oldest first. No revision that anything needs. */
export function pruned(
  replicaSets: readonly Json[],
  { status, pods }: Observed,
  desired: Desired,
  keep: number,
): readonly Json[] {
  const needed = new Set([
    desired.revision,
    status?.stable,
    status?.release?.to,
    status?.release?.from,
    ...pods.map(({ revision }) => revision),
  ]);
  const idle = replicaSets
    .filter((set) => !needed.has(text(labelsOf(set)[REVISION_LABEL])))
    .filter(
      (set) =>
        number(at(set, "spec", "replicas")) === 0 &&
        (number(at(set, "status", "replicas")) ?? 0) === 0,
    )
    .sort((a, b) => createdMs(b) - createdMs(a));
  return idle.slice(keep);
}

const createdMs = (set: Json): number => timeMs(at(set, "metadata", "creationTimestamp")) ?? 0;
