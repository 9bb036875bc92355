// Owns: what a finding is, and how rules make one.

import type { Json, KubeObject, Path, Place } from "@holdfast/kube";
import { CATALOGUE, type FindingId } from "./catalogue.ts";

export type Severity = "error" | "warning" | "info";
export const SEVERITIES: readonly Severity[] = ["error", "warning", "info"];

/**
 * `strategic` and `merge`: for kubectl patch of that type (custom resources know only merge).
 * `create`: a whole new object.
 */
export interface Patch {
  readonly type: "strategic" | "merge" | "create";
  readonly body: Json;
}

export interface ObjectRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface Finding {
  readonly id: FindingId;
  readonly severity: Severity;
  readonly object: ObjectRef;
  readonly place: Place;
  /** What was found, with its numbers. */
  readonly found: string;
  /** The arithmetic, if there is one. */
  readonly sum?: string;
  /** What will happen to sockets. */
  readonly consequence: string;
  readonly fix: string;
  readonly patch?: Patch;
  /** Page and anchor, from the repository's root. */
  readonly docs: string;
}

export const DOCS_PAGE = "docs/operations/doctor.md";

export interface FindingParts {
  readonly object: KubeObject;
  readonly path?: Path;
  readonly found: string;
  readonly sum?: string;
  readonly fix: string;
  readonly patch?: Patch | undefined;
  /** Instead of the catalogue's. */
  readonly severity?: Severity;
}

export function finding(id: FindingId, parts: FindingParts): Finding {
  const { object, path, patch, severity, ...rest } = parts;
  const entry = CATALOGUE[id];
  return {
    id,
    severity: severity ?? entry.severity,
    object: refOf(object),
    place: object.placeOf(path ?? []),
    ...rest,
    consequence: entry.consequence,
    ...(patch === undefined ? {} : { patch }),
    docs: `${DOCS_PAGE}#${id}`,
  };
}

function refOf({ kind, namespace, name }: KubeObject): ObjectRef {
  return { kind, namespace, name };
}
