// Owns: everything that was read, and how to find objects in it.
import type { OptionTable } from "@holdfast/config";
import { at, type KubeObject, labelsOf, list, picks, record, text } from "@holdfast/kube";

/** The options of one of our nodes that the doctor judges by. */
export interface NodeConfig {
  readonly trustedProxies: readonly string[];
  readonly port: number;
  readonly internalPort: number;
  readonly broker: { readonly url: string };
  readonly auth: { readonly resumeSecret: string | undefined };
  readonly limits: { readonly connectionsMax: number; readonly connectionsPerAddressMax: number };
  readonly timeouts: { readonly pingMs: number };
  readonly admission: { readonly handshakesPerSecond: number };
  readonly drain: {
    readonly preDelayMs: number;
    readonly windowMs: number;
    readonly perSecondMax: number;
  };
  readonly fleet: { readonly rebalance: boolean };
  readonly apiKeys: readonly { readonly scopes: readonly string[] }[];
}

/** Facts that the doctor cannot read from manifests: it is told them, or assumes them. */
export interface DoctorOptions {
  /** The options that a node of ours has: its manifests are read with them. */
  readonly nodeOptions: OptionTable<NodeConfig>;
  /**
   * How often clients ping, in seconds. Absent: the node's own option for our workloads, 25 s for
   * others.
   */
  readonly pingSeconds?: number;
  /**
   * Connections of a pod (N). Absent: from the annotation, the node's limit for our workloads,
   * 10,000 for others.
   */
  readonly connections?: number;
  /**
   * Handshakes a second that a pod takes (A). Absent: the node's option for our workloads, 500 for
   * others.
   */
  readonly handshakesPerSecond?: number;
  /**
   * M of workloads that are not ours: how long the application takes from SIGTERM to its end.
   * Absent: unknown.
   */
  readonly drainSeconds?: number;
  /** Names of the workloads to look at. Absent or empty: those on the clients' way. */
  readonly workloads?: readonly string[];
  /**
   * A live cluster was read as a whole: each namespace, and nothing was refused. So what was not
   * found is not there.
   */
  readonly isWhole?: boolean;
}

export interface ClusterSnapshot {
  readonly objects: readonly KubeObject[];
  readonly options: DoctorOptions;
  /** Objects of a kind; `group` is what apiVersion has before the slash, any when absent. */
  all(kind: string, group?: string): readonly KubeObject[];
  /** One object by name, seen from a namespace. */
  one(kind: string, name: string | undefined, namespace: string): KubeObject | undefined;
}

export function createSnapshot(
  objects: readonly KubeObject[],
  options: DoctorOptions,
): ClusterSnapshot {
  const byKind = grouped(objects, ({ kind }) => kind);
  const byGroup = grouped(objects, ({ kind, apiVersion }) => `${kind} ${groupOf(apiVersion)}`);
  const byName = grouped(objects, ({ kind, name }) => `${kind} ${name}`);
  return {
    objects,
    options,
    all: (kind, group) =>
      (group === undefined ? byKind.get(kind) : byGroup.get(`${kind} ${group}`)) ?? [],
    one: (kind, name, namespace) =>
      byName.get(`${kind} ${name}`)?.find((object) => sameNamespace(object.namespace, namespace)),
  };
}

function grouped(
  objects: readonly KubeObject[],
  keyOf: (object: KubeObject) => string,
): ReadonlyMap<string, readonly KubeObject[]> {
  const groups = new Map<string, KubeObject[]>();
  for (const object of objects) {
    const group = groups.get(keyOf(object));
    if (group === undefined) groups.set(keyOf(object), [object]);
    else group.push(object);
  }
  return groups;
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}

/** Manifests without a namespace belong to the namespace of the others. */
export function sameNamespace(a: string, b: string): boolean {
  return a === b || a === "" || b === "";
}

/** Services that pick pods with these labels. */
export function servicesOf(
  snapshot: ClusterSnapshot,
  labels: Readonly<Record<string, unknown>>,
  namespace: string,
): readonly KubeObject[] {
  return snapshot
    .all("Service", "")
    .filter(
      (service) =>
        sameNamespace(service.namespace, namespace) &&
        picks(at(service.body, "spec", "selector"), labels),
    );
}

/** Whether a policy's targetRef or targetRefs name the object. */
export function targets(policy: KubeObject, object: KubeObject): boolean {
  const refs = [
    at(policy.body, "spec", "targetRef"),
    ...list(at(policy.body, "spec", "targetRefs")),
  ];
  return (
    sameNamespace(policy.namespace, object.namespace) &&
    refs.some(
      (ref) => text(at(ref, "kind")) === object.kind && text(at(ref, "name")) === object.name,
    )
  );
}

/** Labels of the namespace, if its manifest is known. */
export function namespaceLabels(
  snapshot: ClusterSnapshot,
  namespace: string,
): Readonly<Record<string, unknown>> {
  const found = snapshot.all("Namespace", "").find(({ name }) => name === namespace);
  return found === undefined ? record(undefined) : labelsOf(found);
}
