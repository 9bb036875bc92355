// Owns: what the doctor reads of a RealtimeSet: its spec with defaults, its status, and the labels
// that the operator gives its pods.
import { annotationsOf, at, type Json, type KubeObject, list, record, text } from "@holdfast/kube";
import { type Read, type RealtimeSetSpec, readSet } from "@holdfast/operator";

export const RECEIVES_LABEL = "holdfast.dev/receives";
export const ADOPT_ANNOTATION = "holdfast.dev/adopt";
const HAND_OVER_ANNOTATION = "holdfast.dev/hand-over";

/** Of each pod of the set, beside those of its template and its revision. */
export function operatorLabels(set: string): Json {
  return {
    "holdfast.dev/set": set,
    "holdfast.dev/protected": "true",
    [RECEIVES_LABEL]: "true",
  };
}

/** Name of the budget that the operator keeps for a set. */
export const budgetNameOf = (set: string): string => `${set}-protected`;

/** As the operator reads it. A manifest lacks what the API server adds. */
export function readSetOf({ body, name, namespace }: KubeObject): Read<RealtimeSetSpec> {
  const metadata = { uid: "?", resourceVersion: "?", ...record(body.metadata) };
  const read = readSet({
    ...body,
    metadata: { ...metadata, name, namespace: namespace === "" ? "default" : namespace },
  });
  return read.ok ? { ok: true, value: read.value.spec } : read;
}

export function setSpecOf(object: KubeObject): RealtimeSetSpec | undefined {
  const read = readSetOf(object);
  return read.ok ? read.value : undefined;
}

/** The condition of this type, if it holds. */
export function conditionOf(set: KubeObject, type: string): Json | undefined {
  const found = list(at(set.body, "status", "conditions")).find(
    (one) => text(at(one, "type")) === type && text(at(one, "status")) === "True",
  );
  return found === undefined ? undefined : record(found);
}

/** Its pods are about to belong to a Deployment. */
export const isHandedOver = (set: KubeObject): boolean =>
  text(annotationsOf(set)[HAND_OVER_ANNOTATION]) === "true";
