// Owns: times in annotations as figures of a hop that a patch can set.
import { annotationsOf, durationSeconds, type KubeObject } from "@holdfast/kube";
import { annotationPatch } from "../patches.ts";
import type { Knob } from "./network-hop.ts";

export interface Source {
  readonly object: KubeObject;
  readonly key: string;
  readonly fallback: number;
  readonly unit?: "s" | "ms";
  /** How the value is written. */
  readonly write?: (seconds: number) => string;
}

/** A time in an annotation. */
export function annotated({ object, key, fallback, unit = "s", write = String }: Source): Knob {
  const found = durationSeconds(annotationsOf(object)[key], unit);
  return {
    value: found ?? fallback,
    set: found !== undefined,
    name: key,
    object,
    path: ["metadata", "annotations", key],
    patch: (seconds) => annotationPatch(object, { [key]: write(seconds) }),
  };
}
