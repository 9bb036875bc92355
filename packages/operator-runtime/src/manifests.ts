// Owns: the objects that the operator makes: ReplicaSets of revisions, and the budget that keeps
// pods with people on them from being evicted.
import { at, type Json, record } from "@holdfast/kube";
import type { Revision } from "@holdfast/operator";
import {
  budgetName,
  GROUP_VERSION,
  PROTECTED_LABEL,
  RECEIVES_LABEL,
  REVISION_LABEL,
  SET_LABEL,
} from "./names.ts";

/** A RealtimeSet as its objects need it. */
export interface Owner {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  /** `spec.selector.matchLabels`. */
  readonly selector: Json;
  /** `spec.template`. */
  readonly template: Json;
  /** Of that template. */
  readonly revision: Revision;
}

/** By which Kubernetes knows that the set's end is the object's end. */
export function ownerReference({ name, uid }: Owner): Json {
  return {
    apiVersion: GROUP_VERSION,
    kind: "RealtimeSet",
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Labels that the operator adds to the template. */
export function addedLabels(set: string, revision: Revision): Json {
  return {
    [SET_LABEL]: set,
    [REVISION_LABEL]: revision,
    [PROTECTED_LABEL]: "true",
    [RECEIVES_LABEL]: "true",
  };
}

export function replicaSetManifest(owner: Owner, revision: Revision, replicas: number): Json {
  const { name, namespace, selector, template } = owner;
  const metadata = record(template.metadata);
  const labels = { ...record(metadata.labels), ...addedLabels(name, revision) };
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: replicaSetName(name, revision),
      namespace,
      labels: { ...record(metadata.labels), [SET_LABEL]: name, [REVISION_LABEL]: revision },
      ownerReferences: [ownerReference(owner)],
    },
    spec: {
      replicas,
      selector: { matchLabels: { ...selector, [REVISION_LABEL]: revision } },
      template: { ...template, metadata: { ...metadata, labels } },
    },
  };
}

export const replicaSetName = (set: string, revision: Revision): string => `${set}-${revision}`;

/** No pod with people on it is evicted: the operator empties it first. */
export function budgetManifest(owner: Owner): Json {
  const { name, namespace } = owner;
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: {
      name: budgetName(name),
      namespace,
      labels: { [SET_LABEL]: name },
      ownerReferences: [ownerReference(owner)],
    },
    spec: {
      maxUnavailable: 0,
      selector: { matchLabels: { [SET_LABEL]: name, [PROTECTED_LABEL]: "true" } },
    },
  };
}

/** Whether that budget is as the set needs it. Others may add to it. */
export function isBudgetKept(budget: Json, owner: Owner): boolean {
  const { metadata, spec } = budgetManifest(owner) as { metadata: Json; spec: Json };
  return (
    at(budget, "metadata", "name") === metadata.name &&
    at(budget, "metadata", "deletionTimestamp") === undefined &&
    isOwnedBy(budget, owner.uid) &&
    at(budget, "spec", "maxUnavailable") === spec.maxUnavailable &&
    isSameMap(at(budget, "spec", "selector", "matchLabels"), at(spec, "selector", "matchLabels")) &&
    at(budget, "spec", "selector", "matchExpressions") === undefined
  );
}

const isSameMap = (a: unknown, b: unknown): boolean => {
  const [mine, theirs] = [record(a), record(b)];
  const names = Object.keys(theirs);
  return (
    names.length === Object.keys(mine).length && names.every((name) => mine[name] === theirs[name])
  );
};

/** Whether an object belongs to the set. */
export function isOwnedBy(object: Json, uid: string): boolean {
  const references = at(object, "metadata", "ownerReferences");
  return (
    Array.isArray(references) &&
    references.some((one) => at(one, "controller") === true && at(one, "uid") === uid)
  );
}
