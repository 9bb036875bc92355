// Owns: objects by the set that their label names, so that a look at one set reads no other's.
import type { Change, Json } from "@holdfast/kube";
import { SET_LABEL } from "./names.ts";
import { labelsOf, nameOf, namespaceOf } from "./objects.ts";

const NONE: ReadonlyMap<string, Json> = new Map();

export class SetIndex {
  readonly #bySet = new Map<string, Map<string, Json>>();
  /** Where each object is. Its label may change, and then it must leave its old set. */
  readonly #keyOf = new Map<string, string>();

  /** Of one object; the result is the key of the set that it belongs to. */
  take({ type, object }: Change): string {
    const name = nameOf(object);
    const place = setKey(namespaceOf(object), name);
    const held = this.#keyOf.get(place);
    if (held !== undefined) this.#leave(held, name);
    this.#keyOf.delete(place);
    const key = setKey(namespaceOf(object), String(labelsOf(object)[SET_LABEL] ?? ""));
    if (type === "removed") return held ?? key;
    const objects = this.#bySet.get(key) ?? new Map<string, Json>();
    this.#bySet.set(key, objects.set(name, object));
    this.#keyOf.set(place, key);
    return key;
  }

  #leave(key: string, name: string): void {
    const objects = this.#bySet.get(key);
    objects?.delete(name);
    if (objects?.size === 0) this.#bySet.delete(key);
  }

  of(namespace: string, set: string): readonly Json[] {
    return [...(this.#bySet.get(setKey(namespace, set)) ?? NONE).values()];
  }
}

export const setKey = (namespace: string, name: string): string => `${namespace}/${name}`;
