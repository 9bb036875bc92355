// Owns: what the doctor reads of a RealtimeSet: its spec with defaults, its status, and the labels
// that the operator gives its pods.
import { annotationsOf, at, type Json, type KubeObject, list, record, text } from "@holdfast/kube";
import {
  HAND_OVER_ANNOTATION,
  PROTECTED_LABEL,
  RECEIVES_LABEL,
  type Read,
  type RealtimeSetSpec,
  readSet,
  SET_LABEL,
} from "@holdfast/operator";

/** Of each pod of the set, beside those of its template and its revision. */
export function operatorLabels(set: string): Json {
  return { [SET_LABEL]: set, [PROTECTED_LABEL]: "true", [RECEIVES_LABEL]: "true" };
}

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
