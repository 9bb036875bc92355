// Owns: rules of what RealtimeSets stand on: an operator that leads, one alone for each namespace,
// and a CRD that has all fields.
import { at, type Json, type KubeObject, list, record, text } from "@holdfast/kube";
import { SET_SPEC } from "@holdfast/operator";
import type { ClusterSnapshot } from "../cluster-snapshot.ts";
import { type Finding, finding } from "../finding.ts";

/** Of an operator that says nothing else. */
const LEASE_NAME = "holdfast-operator";
/** Another one leads 15 s after the last renewal. Longer than this is nobody. */
const SILENT_MS_MAX = 60_000;

interface OperatorProcess {
  readonly object: KubeObject;
  readonly lease: string;
  readonly leaseNamespace: string;
  /** Empty: all. */
  readonly namespaces: readonly string[];
}

export function operatorRules(snapshot: ClusterSnapshot): readonly Finding[] {
  const operators = snapshot.all("Deployment", "apps").flatMap((object) => operatorOf(object));
  return [...missing(snapshot, operators), ...twice(operators), ...oldDefinition(snapshot)];
}

function operatorOf(object: KubeObject): readonly OperatorProcess[] {
  const container = list(at(object.body, "spec", "template", "spec", "containers")).find(
    (one) => text(list(at(one, "args"))[0]) === "operator",
  );
  if (container === undefined) return [];
  const value = (name: string): string => {
    const entry = list(at(container, "env")).find((one) => text(at(one, "name")) === name);
    return text(at(entry, "value")) ?? "";
  };
  return [
    {
      object,
      lease: value("HOLDFAST_OPERATOR_LEASE_NAME") || LEASE_NAME,
      leaseNamespace: value("HOLDFAST_OPERATOR_LEASE_NAMESPACE") || object.namespace,
      namespaces: value("HOLDFAST_OPERATOR_NAMESPACES")
        .split(",")
        .filter((one) => one !== ""),
    },
  ];
}

function missing(
  snapshot: ClusterSnapshot,
  operators: readonly OperatorProcess[],
): readonly Finding[] {
  const sets = snapshot.all("RealtimeSet", "holdfast.dev");
  const needed = operators.filter((one) => sets.some(({ namespace }) => sees(one, namespace)));
  const ofOperators = needed.flatMap((operator) => {
    const found = silent(snapshot, operator);
    if (found === undefined) return [];
    const fix = "Look at the log of its pods: it says who leads, and why it does not.";
    return [finding("operator-missing", { object: operator.object, found, fix })];
  });
  const isElsewhere = snapshot.options.isWhole !== true || isLed(snapshot, LEASE_NAME);
  const alone = isElsewhere
    ? []
    : sets.filter(({ namespace }) => !operators.some((one) => sees(one, namespace)));
  const ofSets = alone.map((object) =>
    finding("operator-missing", {
      object,
      found: `no Deployment with the command operator looks after namespace ${object.namespace}`,
      fix: "Install deploy/operator/chart, or add the namespace to its namespaces (docs/operations/operator.md).",
    }),
  );
  return [...ofOperators, ...ofSets];
}

const sees = ({ namespaces }: OperatorProcess, namespace: string): boolean =>
  namespaces.length === 0 || namespaces.includes(namespace);

/** Somebody holds a Lease of this name, wherever it runs. */
function isLed(snapshot: ClusterSnapshot, name: string): boolean {
  return leasesOf(snapshot).some((lease) => lease.name === name && holderOf(lease) !== "");
}

/** Why the operator does not lead. Other Leases tell the time: no clocks are compared. */
function silent(
  snapshot: ClusterSnapshot,
  { lease: name, leaseNamespace }: OperatorProcess,
): string | undefined {
  const leases = leasesOf(snapshot);
  const lease = leases.find((one) => one.name === name && one.namespace === leaseNamespace);
  const named = `Lease ${leaseNamespace}/${name}`;
  if (lease === undefined)
    return snapshot.options.isWhole === true ? `there is no ${named}` : undefined;
  if (holderOf(lease) === "") return `nobody holds ${named}`;
  const newestMs = Math.max(...leases.map(renewedMs));
  const behindMs = newestMs - renewedMs(lease);
  return behindMs > SILENT_MS_MAX
    ? `${named} was renewed ${Math.round(behindMs / 1000)} s before the newest Lease of the cluster`
    : undefined;
}

const leasesOf = (snapshot: ClusterSnapshot): readonly KubeObject[] =>
  snapshot.all("Lease", "coordination.k8s.io");
const holderOf = ({ body }: KubeObject): string => text(at(body, "spec", "holderIdentity")) ?? "";
const renewedMs = ({ body }: KubeObject): number =>
  Date.parse(text(at(body, "spec", "renewTime")) ?? "") || 0;

function twice(operators: readonly OperatorProcess[]): readonly Finding[] {
  return operators.flatMap((one, index) => {
    const other = operators.slice(0, index).find((before) => areBoth(before, one));
    if (other === undefined) return [];
    return [
      finding("operator-twice", {
        object: one.object,
        found: `${nameOf(other.object)} looks after ${namespacesText(other)}, and ${nameOf(one.object)} after ${namespacesText(one)}`,
        fix: "Keep one of them, or give each its own namespaces (namespaces of deploy/operator/chart).",
      }),
    ];
  });
}

/** Pods of one Lease take turns. */
function areBoth(a: OperatorProcess, b: OperatorProcess): boolean {
  const isSameLease = a.lease === b.lease && a.leaseNamespace === b.leaseNamespace;
  const all = a.namespaces.length === 0 || b.namespaces.length === 0;
  return !isSameLease && (all || a.namespaces.some((one) => b.namespaces.includes(one)));
}

const nameOf = ({ namespace, name }: KubeObject): string => `${namespace}/${name}`;
const namespacesText = ({ namespaces }: OperatorProcess): string =>
  namespaces.length === 0 ? "all namespaces" : namespaces.join(", ");

const DEFINITION = "realtimesets.holdfast.dev";

/** Fields that this version reads and that the API server would drop. */
function oldDefinition(snapshot: ClusterSnapshot): readonly Finding[] {
  return snapshot
    .all("CustomResourceDefinition", "apiextensions.k8s.io")
    .filter(({ name }) => name === DEFINITION)
    .flatMap((definition) => {
      const version = list(at(definition.body, "spec", "versions")).find(
        (one) => text(at(one, "name")) === "v1alpha1",
      );
      const spec = at(version, "schema", "openAPIV3Schema", "properties", "spec");
      const lacks = lackingIn(record(spec), SET_SPEC, "spec");
      if (lacks.length === 0) return [];
      return [
        finding("crd-old", {
          object: definition,
          path: ["spec", "versions"],
          found: `it lacks ${lacks.join(", ")}`,
          fix: "Upgrade the operator's chart, which brings the CRDs: or kubectl apply --server-side -f deploy/operator/crds.",
        }),
      ];
    });
}

interface FieldLike {
  readonly is: string;
  readonly fields?: Readonly<Record<string, FieldLike>>;
  readonly items?: FieldLike;
}

/** The outermost fields that are not in the schema. */
function lackingIn(schema: Json, field: FieldLike, path: string): readonly string[] {
  if (field.items !== undefined) return lackingIn(record(schema.items), field.items, `${path}[]`);
  return Object.entries(field.fields ?? {}).flatMap(([name, inner]) => {
    const there = at(schema, "properties", name);
    return there === undefined
      ? [`${path}.${name}`]
      : lackingIn(record(there), inner, `${path}.${name}`);
  });
}
