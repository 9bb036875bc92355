// Owns: the objects that a Reflector holds, by namespace and name, and what a list or an event
// changes in them.
import { at, type Json, text } from "../reading.ts";

export interface Change {
  readonly type: "added" | "changed" | "removed";
  /** For what is gone: as the server last said it, or as it was held. */
  readonly object: Json;
}

interface Entry {
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
  readonly object: Json;
}

export class ObjectCache {
  readonly #objectsMax: number;
  #entries = new Map<string, Entry>();

  constructor(objectsMax: number) {
    this.#objectsMax = objectsMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  get objects(): Iterable<Json> {
    return [...this.#entries.values()].map(({ object }) => object);
  }

  get(name: string, namespace?: string): Json | undefined {
    return this.#entries.get(keyOf(name, namespace))?.object;
  }

  /** Holds these alone. What is gone comes first; an object made anew is removed and added. */
  replaceAll(objects: readonly Json[]): readonly Change[] {
    const next = new Map<string, Entry>();
    const news: Change[] = [];
    const gone: Change[] = [];
    for (const object of objects) {
      const entry = entryOf(object, object);
      const key = keyOfObject(object);
      const held = this.#entries.get(key);
      next.set(key, entry);
      if (held === undefined) news.push({ type: "added", object });
      else if (held.uid !== entry.uid) {
        gone.push({ type: "removed", object: held.object });
        news.push({ type: "added", object });
      } else if (held.resourceVersion !== entry.resourceVersion)
        news.push({ type: "changed", object });
    }
    for (const [key, { object }] of this.#entries)
      if (!next.has(key)) gone.push({ type: "removed", object });
    this.#entries = next;
    return [...gone, ...news];
  }

  /** Whether the event says what is held already. */
  knows(type: "ADDED" | "MODIFIED" | "DELETED", object: Json): boolean {
    const held = this.#entries.get(keyOfObject(object));
    const { uid, resourceVersion } = entryOf(object, object);
    if (type === "DELETED") return held === undefined || held.uid !== uid;
    return held !== undefined && held.uid === uid && held.resourceVersion === resourceVersion;
  }

  /** Undefined: no room. */
  take(
    type: "ADDED" | "MODIFIED" | "DELETED",
    object: Json,
    keep: (object: Json) => Json,
  ): readonly Change[] | undefined {
    const key = keyOfObject(object);
    const held = this.#entries.get(key);
    const kept = keep(object);
    if (type === "DELETED") {
      this.#entries.delete(key);
      return [{ type: "removed", object: kept }];
    }
    if (held === undefined && this.#entries.size >= this.#objectsMax) return undefined;
    const entry = entryOf(object, kept);
    this.#entries.set(key, entry);
    if (held === undefined) return [{ type: "added", object: kept }];
    if (held.uid === entry.uid) return [{ type: "changed", object: kept }];
    return [
      { type: "removed", object: held.object },
      { type: "added", object: kept },
    ];
  }
}

const entryOf = (object: Json, kept: Json): Entry => ({
  uid: text(at(object, "metadata", "uid")),
  resourceVersion: text(at(object, "metadata", "resourceVersion")),
  object: kept,
});

const keyOf = (name: string, namespace: string | undefined): string => `${namespace ?? ""}/${name}`;

const keyOfObject = (object: Json): string =>
  keyOf(text(at(object, "metadata", "name")) ?? "", text(at(object, "metadata", "namespace")));
