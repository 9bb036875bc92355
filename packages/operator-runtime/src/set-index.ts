// Owns: objects by the set that their label names, so that a look at one set reads no other's.
import type { Change, Json } from "@holdfast/kube";
import { SET_LABEL } from "./names.ts";
import { labelsOf, nameOf, namespaceOf } from "./objects.ts";

const NONE: ReadonlyMap<string, Json> = new Map();

export class SetIndex {
  readonly #bySet = new Map<string, Map<string, Json>>();

  /** Of one object; the result is the key of the set that it belongs to. */
  take({ type, object }: Change): string {
    const key = setKey(namespaceOf(object), String(labelsOf(object)[SET_LABEL] ?? ""));
    const objects = this.#bySet.get(key) ?? new Map<string, Json>();
    if (type === "removed") objects.delete(nameOf(object));
    else objects.set(nameOf(object), object);
    if (objects.size === 0) this.#bySet.delete(key);
    else this.#bySet.set(key, objects);
    return key;
  }

  of(namespace: string, set: string): readonly Json[] {
    return [...(this.#bySet.get(setKey(namespace, set)) ?? NONE).values()];
  }
}

export const setKey = (namespace: string, name: string): string => `${namespace}/${name}`;
