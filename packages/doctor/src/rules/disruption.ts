// Owns: rules of disruption budgets: none, one that blocks, one that permits all, several.

import type { KubeObject } from "@holdfast/kube";
import { at, number, selects, share, text } from "@holdfast/kube";
import { budgetName } from "@holdfast/operator";
import type { ClientPath } from "../client-path.ts";
import { type ClusterSnapshot, sameNamespace } from "../cluster-snapshot.ts";
import { type Finding, finding } from "../finding.ts";
import { creation, patchAt, patchOf } from "../patches.ts";
import type { Workload } from "../workload.ts";

export function disruptionRules(
  { workload }: ClientPath,
  snapshot: ClusterSnapshot,
): readonly Finding[] {
  if (workload.kind === "Service") return [];
  const budgets = snapshot
    .all("PodDisruptionBudget", "policy")
    .filter(
      (budget) =>
        sameNamespace(budget.namespace, workload.object.namespace) &&
        selects(at(budget.body, "spec", "selector"), workload.podLabels),
    );
  if (workload.kind === "RealtimeSet") return setRules(workload, budgets);
  const [budget, second] = budgets;
  if (budget === undefined) return workload.replicas > 1 ? [missing(workload)] : [];
  if (second !== undefined) return [twice(workload, [budget, second])];
  return [...verdict(workload, budget), ...unhealthy(budget)];
}

/** The operator keeps a budget of its own, which is in no manifest. */
function setRules(workload: Workload, budgets: readonly KubeObject[]): readonly Finding[] {
  const { object } = workload;
  const name = budgetName(object.name);
  const other = budgets.find((budget) => budget.name !== name);
  const kept = budgets.find((budget) => budget.name === name);
  const found: Finding[] = [];
  if (other !== undefined)
    found.push(
      finding("pdb-twice", {
        object: other,
        path: ["spec", "selector"],
        found: `${other.name} and the operator's ${name} both select the pods of ${object.name}`,
        fix: `Delete it: kubectl delete pdb ${other.name}. The operator's own lets a pod go when nobody is on it.`,
      }),
    );
  const isSeen = (number(at(object.body, "status", "observedGeneration")) ?? 0) > 0;
  const isKept = number(at(kept?.body, "spec", "maxUnavailable")) === 0;
  if (isSeen && !isKept)
    found.push(
      finding("set-unprotected", {
        object: kept ?? object,
        found:
          kept === undefined
            ? `there is no PodDisruptionBudget ${name}`
            : `${name} is not the operator's: it has no maxUnavailable 0`,
        fix: `Look at the Events of the set: a policy refuses the budget, or somebody else's has its name. The operator makes it again within a minute.`,
      }),
    );
  return found;
}

function missing(workload: Workload): Finding {
  const spec = {
    maxUnavailable: 1,
    unhealthyPodEvictionPolicy: "AlwaysAllow",
    selector: selectorOf(workload),
  };
  return finding("pdb-missing", {
    object: workload.object,
    found: `no PodDisruptionBudget selects the ${workload.replicas} pods of ${workload.object.name}`,
    fix: "Allow one missing pod at a time.",
    patch: creation("policy/v1", "PodDisruptionBudget", { near: workload.object, spec }),
  });
}

function selectorOf(workload: Workload): unknown {
  return at(workload.object.body, "spec", "selector") ?? { matchLabels: workload.podLabels };
}

function twice(workload: Workload, [first, second]: readonly [KubeObject, KubeObject]): Finding {
  return finding("pdb-twice", {
    object: second,
    path: ["spec", "selector"],
    found: `${first.name} and ${second.name} both select the pods of ${workload.object.name}`,
    fix: "Keep one of them.",
  });
}

function verdict(workload: Workload, budget: KubeObject): readonly Finding[] {
  const pods = Math.max(1, workload.replicas);
  const [least, most] = [
    at(budget.body, "spec", "minAvailable"),
    at(budget.body, "spec", "maxUnavailable"),
  ];
  // The API rounds both up.
  const required = least === undefined ? undefined : share(least, pods, "up");
  const allowed =
    required === undefined
      ? most === undefined
        ? undefined
        : share(most, pods, "up")
      : pods - required;
  if (allowed === undefined) return [];
  const said = least === undefined ? `maxUnavailable ${text(most)}` : `minAvailable ${text(least)}`;
  const sum =
    least === undefined
      ? `${text(most)} of ${pods} pods = ${allowed} may be away`
      : `${pods} pods - ${required} = ${allowed} may be away`;
  const path = ["spec", least === undefined ? "maxUnavailable" : "minAvailable"];
  if (allowed <= 0) {
    const alone =
      pods === 1
        ? " With a single pod, which cannot be moved without being away, think of a second one first."
        : "";
    return [
      finding("pdb-blocks", {
        object: budget,
        path,
        found: `${said} with ${pods} ${pods === 1 ? "pod" : "pods"}`,
        sum,
        fix: `Allow one missing pod at a time.${alone}`,
        patch: patchOf(budget, {
          spec: { maxUnavailable: 1, ...(least === undefined ? {} : { minAvailable: null }) },
        }),
      }),
    ];
  }
  if (pods > 1 && allowed >= pods)
    return [
      finding("pdb-allows-all", {
        object: budget,
        path,
        found: `${said} with ${pods} pods`,
        sum,
        fix: "Allow one missing pod at a time.",
        patch: patchOf(budget, {
          spec: { maxUnavailable: 1, ...(least === undefined ? {} : { minAvailable: null }) },
        }),
      }),
    ];
  return [];
}

function unhealthy(budget: KubeObject): readonly Finding[] {
  if (text(at(budget.body, "spec", "unhealthyPodEvictionPolicy")) === "AlwaysAllow") return [];
  return [
    finding("pdb-unhealthy", {
      object: budget,
      path: ["spec"],
      found: "unhealthyPodEvictionPolicy is IfHealthyBudget, by default or as set",
      fix: "Set it to AlwaysAllow.",
      patch: patchAt(budget, ["spec", "unhealthyPodEvictionPolicy"], "AlwaysAllow"),
    }),
  ];
}
