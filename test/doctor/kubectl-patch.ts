// Owns: what kubectl does with a patch, as far as the doctor's patches go: strategic merge by
// Kubernetes' merge keys, JSON merge, creation.
import type { Patch } from "@holdfast/doctor";
import { type KubeObject, kubeObject } from "@holdfast/kube";

type Json = Readonly<Record<string, unknown>>;

/**
 * Lists that the API merges by a key; all others are replaced as a whole. From the patchMergeKey
 * tags of the API's types.
 */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: "name",
  initContainers: "name",
  env: "name",
  volumes: "name",
  volumeMounts: "mountPath",
  imagePullSecrets: "name",
  topologySpreadConstraints: "topologyKey",
};
/** `ports` of a container go by containerPort, those of a Service by port. */
const PORT_KEYS = ["containerPort", "port"];

/**
 * The objects after the patch. Fails when it names an object that is not there, or one that is
 * there already.
 */
export function apply(
  objects: readonly KubeObject[],
  { type, body }: Patch,
): readonly KubeObject[] {
  const names = (object: KubeObject): string =>
    JSON.stringify([object.apiVersion, object.kind, object.namespace, object.name]);
  const wanted = kubeObject(body, () => ({ file: "patch", line: 1 }));
  const index = objects.findIndex((object) => names(object) === names(wanted));
  if (type === "create") {
    if (index >= 0) throw new Error(`${names(wanted)} exists already`);
    return [...objects, wanted];
  }
  const target = objects[index];
  if (target === undefined) throw new Error(`${names(wanted)} does not exist`);
  const patched = type === "strategic" ? strategic(target.body, body) : merge(target.body, body);
  return objects.with(
    index,
    kubeObject(patched, () => ({ file: "patched", line: 1 })),
  );
}

function strategic(target: Json, patch: Json): Json {
  const result: Record<string, unknown> = { ...target };
  for (const [field, value] of Object.entries(patch)) {
    const before = result[field];
    if (value === null) delete result[field];
    else if (isMap(value)) result[field] = strategic(isMap(before) ? before : {}, value);
    else if (Array.isArray(value) && keyOf(field, value) !== undefined)
      result[field] = byKey(Array.isArray(before) ? before : [], value, keyOf(field, value) ?? "");
    else result[field] = value;
  }
  return result;
}

function keyOf(field: string, items: readonly unknown[]): string | undefined {
  if (field !== "ports") return MERGE_KEYS[field];
  return PORT_KEYS.find((key) => items.every((item) => isMap(item) && item[key] !== undefined));
}

function byKey(
  before: readonly unknown[],
  patch: readonly unknown[],
  key: string,
): readonly unknown[] {
  let result = [...before];
  // Kubernetes puts what is new before what was there.
  const fresh: Json[] = [];
  for (const item of patch) {
    if (!isMap(item)) throw new Error(`an item without ${key}: ${JSON.stringify(item)}`);
    if (item[key] === undefined) throw new Error(`an item without ${key}: ${JSON.stringify(item)}`);
    const index = result.findIndex((one) => isMap(one) && one[key] === item[key]);
    const known = result[index];
    if (item.$patch === "delete") result = result.filter((_one, at) => at !== index);
    else if (isMap(known)) result[index] = strategic(known, item);
    else fresh.push(strategic({}, item));
  }
  return [...fresh, ...result];
}

function merge(target: Json, patch: Json): Json {
  const result: Record<string, unknown> = { ...target };
  for (const [field, value] of Object.entries(patch)) {
    const before = result[field];
    if (value === null) delete result[field];
    else result[field] = isMap(value) ? merge(isMap(before) ? before : {}, value) : value;
  }
  return result;
}

function isMap(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
