// Owns: fixes as patches that kubectl applies: strategic ones for Kubernetes' own kinds, merge
// patches for custom resources.

import type { KubeObject } from "@holdfast/kube";
import { at, isRecord, type Json, list, type Path, record, text } from "@holdfast/kube";
import type { Patch } from "./finding.ts";
import type { Container, Workload } from "./workload.ts";

const BUILT_IN = new Set(["", "apps", "autoscaling", "batch", "networking.k8s.io", "policy"]);

/**
 * Changes fields of an object. `change` is its content below the root, without identity; null
 * removes a field. Lists in it are whole.
 */
export function patchOf(object: KubeObject, change: Json): Patch {
  const group = object.apiVersion.includes("/") ? (object.apiVersion.split("/")[0] ?? "") : "";
  const metadata = { ...identity(object), ...record(change.metadata) };
  return {
    type: BUILT_IN.has(group) ? "strategic" : "merge",
    body: {
      apiVersion: object.apiVersion,
      kind: object.kind,
      metadata,
      ...withoutMetadata(change),
    },
  };
}

function withoutMetadata({ metadata: _metadata, ...rest }: Json): Json {
  return rest;
}

/** Sets one field of an object by its path, which leads through maps only. */
export function patchAt(object: KubeObject, path: Path, value: unknown): Patch {
  return patchOf(object, record(nested(path, value)));
}

export function annotationPatch(
  object: KubeObject,
  annotations: Readonly<Record<string, string>>,
): Patch {
  return patchOf(object, { metadata: { annotations } });
}

/** Changes fields of the pod's spec that are no lists of containers. */
export function podPatch(workload: Workload, change: Json): Patch {
  return patchOf(workload.object, { spec: { template: { spec: change } } });
}

export function podAnnotationPatch(
  workload: Workload,
  annotations: Readonly<Record<string, string>>,
): Patch {
  return patchOf(workload.object, { spec: { template: { metadata: { annotations } } } });
}

export interface ContainerChange {
  readonly container: Container;
  readonly change: Json;
  /** What changes in the pod's spec together with it. */
  readonly pod?: Json;
}

/** Changes one container. A strategic patch names it; a merge patch must repeat the whole list. */
export function containerPatch(
  workload: Workload,
  { container, change, pod = {} }: ContainerChange,
): Patch {
  if (isStrategic(workload))
    return podPatch(workload, { ...pod, containers: [{ name: container.name, ...change }] });
  const containers = list(workload.podSpec.containers).map((body) =>
    body === container.body ? merged(record(body), change) : body,
  );
  return podPatch(workload, { ...pod, containers });
}

/** Sets environment variables of the main container. */
export function environmentPatch(
  workload: Workload,
  variables: Readonly<Record<string, string>>,
  pod: Json = {},
): Patch {
  const before = list(workload.main.body.env);
  const entries = Object.entries(variables).map(([name, value]) => {
    const sourced = before.some(
      (entry) => at(entry, "name") === name && at(entry, "valueFrom") !== undefined,
    );
    return sourced && isStrategic(workload) ? { name, value, valueFrom: null } : { name, value };
  });
  const kept = before.filter((entry) => !Object.hasOwn(variables, text(at(entry, "name")) ?? ""));
  const env = isStrategic(workload) ? entries : [...kept, ...entries];
  return containerPatch(workload, { container: workload.main, change: { env }, pod });
}

/** Whether kubectl merges the lists of this kind by their names. */
export function isStrategic({ kind }: Workload): boolean {
  return kind === "Deployment" || kind === "StatefulSet";
}

/** A new object beside `object`, in its namespace. */
export function creation(
  apiVersion: string,
  kind: string,
  parts: { readonly near: KubeObject; readonly name?: string; readonly spec: Json },
): Patch {
  const { near, name, spec } = parts;
  return {
    type: "create",
    body: { apiVersion, kind, metadata: { ...identity(near), name: name ?? near.name }, spec },
  };
}

function identity({ name, namespace }: KubeObject): Json {
  return namespace === "" ? { name } : { name, namespace };
}

/** A map around a value, from its path. */
function nested(path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  return key === undefined ? value : { [key]: nested(rest, value) };
}

/** A JSON merge patch (RFC 7386) applied. */
export function merged(target: Json, change: Json): Json {
  const result: Record<string, unknown> = { ...target };
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete result[key];
    else result[key] = isRecord(value) ? merged(record(at(target, key)), value) : value;
  }
  return result;
}
