// Owns: on which machines the pods of a live cluster run.
import { at, type KubeObject, labelsOf, selects, text } from "@holdfast/kube";
import { type ClusterSnapshot, sameNamespace } from "./cluster-snapshot.ts";
import type { Workload } from "./workload.ts";

export interface Machine {
  readonly name: string;
  /** Pods that run there and do not end. */
  readonly pods: number;
}

/** The machines of a workload, the fullest first; of all pods if there is no workload. */
export function machinesOf(snapshot: ClusterSnapshot, workload?: Workload): readonly Machine[] {
  const counts = new Map<string, number>();
  for (const pod of snapshot.all("Pod", "")) {
    if (!isServing(pod) || (workload !== undefined && !isOf(workload, pod))) continue;
    const machine = text(at(pod.body, "spec", "nodeName"));
    if (machine !== undefined) counts.set(machine, (counts.get(machine) ?? 0) + 1);
  }
  return [...counts]
    .map(([name, pods]) => ({ name, pods }))
    .sort((a, b) => b.pods - a.pods || (a.name < b.name ? -1 : 1));
}

function isServing({ body }: KubeObject): boolean {
  return (
    text(at(body, "status", "phase")) === "Running" &&
    at(body, "metadata", "deletionTimestamp") === undefined
  );
}

function isOf({ object }: Workload, pod: KubeObject): boolean {
  const selector = at(object.body, "spec", "selector");
  return (
    selector !== undefined &&
    sameNamespace(pod.namespace, object.namespace) &&
    selects(selector, labelsOf(pod))
  );
}
