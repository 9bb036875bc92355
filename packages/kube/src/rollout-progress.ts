// Owns: how far a release of a Deployment or StatefulSet has come, from what the API server says.
// Pure.
import { at, type Json, list, number, text } from "./reading.ts";

/**
 * - `going`: pods are being replaced, or old ones still drain.
 * - `done`: every pod has the new revision and serves, and no other is left.
 * - `paused`: nothing goes on until somebody resumes it.
 * - `stuck`: the controller has given up waiting for a new pod (`progressDeadlineSeconds`).
 */
export type RolloutState = "going" | "done" | "paused" | "stuck";

export interface RolloutProgress {
  readonly state: RolloutState;
  /** In words, without the workload's name. */
  readonly text: string;
}

/**
 * `kubectl rollout status` and `helm --wait` end when the new pods are ready. Then the last old
 * pods still drain, and their clients have not moved. Here a release is done when those are gone,
 * too.
 */
export function rolloutProgress(workload: Json, pods: readonly Json[]): RolloutProgress {
  const ending = pods.filter((pod) => at(pod, "metadata", "deletionTimestamp") !== undefined);
  const wanted = number(at(workload, "spec", "replicas")) ?? 1;
  const status = (name: string): number => number(at(workload, "status", name)) ?? 0;
  const generation = number(at(workload, "metadata", "generation")) ?? 0;
  if (status("observedGeneration") < generation)
    return { state: "going", text: "the controller has not seen the change yet" };
  const isNew = isStateful(workload) && hasOneRevision(workload);
  const updated = isNew ? status("replicas") : status("updatedReplicas");
  const old = Math.max(0, status("replicas") - updated);
  const serving = isStateful(workload) ? status("readyReplicas") : status("availableReplicas");
  const text = `${updated} of ${wanted} pods are new, ${serving} serve${old > 0 ? `, ${old} old ones are to be replaced` : ""}${draining(ending)}`;
  if (updated >= wanted && serving >= wanted && old === 0 && ending.length === 0)
    return { state: "done", text: `${wanted} new pods serve, and no old one is left` };
  if (at(workload, "spec", "paused") === true && updated < wanted) return { state: "paused", text };
  return { state: hasGivenUp(workload) ? "stuck" : "going", text };
}

const isStateful = (workload: Json): boolean =>
  at(workload, "spec", "updateStrategy") !== undefined;

function hasOneRevision(workload: Json): boolean {
  const updateRevision = text(at(workload, "status", "updateRevision"));
  return (
    updateRevision !== undefined && updateRevision === at(workload, "status", "currentRevision")
  );
}

function hasGivenUp(workload: Json): boolean {
  return list(at(workload, "status", "conditions")).some(
    (condition) =>
      text(at(condition, "type")) === "Progressing" &&
      text(at(condition, "reason")) === "ProgressDeadlineExceeded",
  );
}

const NAMES_SHOWN_MAX = 4;

function draining(ending: readonly Json[]): string {
  if (ending.length === 0) return "";
  const names = ending.slice(0, NAMES_SHOWN_MAX).map((pod) => text(at(pod, "metadata", "name")));
  const rest = ending.length - names.length;
  const more = rest > 0 ? ` and ${rest} more` : "";
  return `, ${ending.length} ${ending.length === 1 ? "drains" : "drain"} (${names.join(", ")}${more})`;
}
