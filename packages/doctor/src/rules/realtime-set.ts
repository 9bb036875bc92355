// Owns: rules of a RealtimeSet: what its operator needs to steer connections, who else has its
// pods or its number, and what its status says.
import { annotationsOf, at, type KubeObject, number, record, selects, text } from "@holdfast/kube";
import { ADOPT_ANNOTATION, memoryOf, RECEIVES_LABEL } from "@holdfast/operator";
import type { ClientPath } from "../client-path.ts";
import { type ClusterSnapshot, sameNamespace } from "../cluster-snapshot.ts";
import { type Finding, finding } from "../finding.ts";
import { annotationPatch, environmentPatch, patchAt, patchOf } from "../patches.ts";
import { conditionOf, isHandedOver, readSetOf } from "../realtime-set.ts";
import { clientServices, type Workload, workloadsOf } from "../workload.ts";

export function realtimeSetRules(
  clientPath: ClientPath,
  snapshot: ClusterSnapshot,
): readonly Finding[] {
  const { workload } = clientPath;
  if (workload.kind !== "RealtimeSet") return [];
  return [
    ...invalid(workload),
    ...receives(workload),
    ...scalers(workload),
    ...rebalance(clientPath),
    ...key(clientPath, snapshot),
    ...overlap(workload, snapshot),
    ...stalled(workload),
    ...stuck(workload, snapshot),
  ];
}

function invalid({ object }: Workload): readonly Finding[] {
  const read = readSetOf(object);
  if (read.ok) return [];
  return [
    finding("set-invalid", {
      object,
      path: ["spec"],
      found: read.problems.join("; "),
      fix: "Correct the fields. docs/reference/realtimeset.md has their limits.",
    }),
  ];
}

/** Services by which clients come. A headless one beside them gives all addresses. */
function receives(workload: Workload): readonly Finding[] {
  return clientServices(workload)
    .filter(({ body }) => text(at(body, "spec", "selector", RECEIVES_LABEL)) !== "true")
    .map((service) =>
      finding("receives-missing", {
        object: service,
        path: ["spec", "selector"],
        found: `the selector of ${service.name} has no ${RECEIVES_LABEL}`,
        fix: `Select ${RECEIVES_LABEL}: "true" as well. Templates carry it, and the operator takes it from pods.`,
        patch: patchOf(service, { spec: { selector: { [RECEIVES_LABEL]: "true" } } }),
      }),
    );
}

function scalers({ object, set, autoscaler }: Workload): readonly Finding[] {
  if (set?.autoscaling === undefined || autoscaler === undefined) return [];
  return [
    finding("two-scalers", {
      object: autoscaler,
      path: ["spec", "scaleTargetRef"],
      found: `${autoscaler.kind} ${autoscaler.name} scales ${object.name}, which has spec.autoscaling`,
      fix: "Keep one of them: delete the autoscaler, or take spec.autoscaling out of the set.",
      patch: patchOf(object, { spec: { autoscaling: null } }),
    }),
  ];
}

function rebalance({ workload, load }: ClientPath): readonly Finding[] {
  const { set, object, main } = workload;
  if (set?.rebalance.enabled !== true || load.own?.config.fleet.rebalance !== true) return [];
  return [
    finding("rebalance-twice", {
      object,
      path: main.path,
      found: "fleet.rebalance of the nodes is true, and so is spec.rebalance.enabled",
      fix: 'Set HOLDFAST_FLEET_REBALANCE to "false": the operator knows shares and releases, nodes do not.',
      patch: environmentPatch(workload, { HOLDFAST_FLEET_REBALANCE: "false" }),
    }),
  ];
}

/** Values of Secrets are not looked at: whether the key is there, and whether nodes know one. */
function key({ workload, load }: ClientPath, snapshot: ClusterSnapshot): readonly Finding[] {
  const { set, object, main } = workload;
  const path = ["spec", "dataPlane", set?.dataPlane.kind ?? "node", "keySecret"];
  const wanted = (set?.dataPlane.node ?? set?.dataPlane.gateway)?.keySecret;
  const secret = snapshot.one("Secret", wanted?.name, object.namespace);
  const keys = { ...record(secret?.body.data), ...record(secret?.body.stringData) };
  if (wanted !== undefined && secret !== undefined && !Object.hasOwn(keys, wanted.key)) {
    const [only, ...more] = Object.keys(keys);
    const isClear = only !== undefined && more.length === 0;
    return [
      finding("operator-key-missing", {
        object,
        path,
        found: `Secret ${wanted.name} has no ${wanted.key}, found ${Object.keys(keys).join(", ") || "nothing"}`,
        fix: "Give it the API key of the nodes (docs/operations/operator.md), or name the key that it has.",
        patch: isClear ? patchAt(object, [...path, "key"], only) : undefined,
      }),
    ];
  }
  const { own } = load;
  const isHidden = own?.hidden.has("HOLDFAST_API_KEYS") === true || own?.hidden.has("*") === true;
  if (set === undefined || own === undefined || isHidden) return [];
  const isKnown = own.config.apiKeys.some(
    ({ scopes }) =>
      scopes.includes("*") || ["info", "drain"].every((scope) => scopes.includes(scope)),
  );
  if (isKnown) return [];
  return [
    finding("operator-key-missing", {
      object,
      path: main.path,
      found: "apiKeys of the nodes has no key with the scopes info and drain",
      fix: "Give the nodes the hash of the operator's key by HOLDFAST_API_KEYS (docs/operations/operator.md).",
    }),
  ];
}

function overlap(workload: Workload, snapshot: ClusterSnapshot): readonly Finding[] {
  const { object } = workload;
  if (isHandedOver(object)) return [];
  return workloadsOf(snapshot)
    .filter((other) => overlaps(workload, other))
    .map((other) => {
      const isDeployment = other.kind === "Deployment";
      return finding("selector-overlap", {
        object: other.object,
        path: ["spec", "selector"],
        found: `${other.object.kind} ${other.object.name} (${other.replicas} pods) and RealtimeSet ${object.name} select the same pods`,
        fix: isDeployment
          ? `If the set should take its pods over: kubectl annotate deployment/${other.object.name} ${ADOPT_ANNOTATION}=true. If it is left over, scale it to 0 or delete it. Otherwise give each its own labels.`
          : "Give each its own labels. A selector never changes: make one of them anew.",
        patch: isDeployment
          ? annotationPatch(other.object, { [ADOPT_ANNOTATION]: "true" })
          : undefined,
      });
    });
}

function overlaps(set: Workload, other: Workload): boolean {
  const { object } = other;
  const isOther = object.kind !== set.object.kind || object.name !== set.object.name;
  const isLeft = other.kind === "Deployment" && text(annotationsOf(object)[ADOPT_ANNOTATION]);
  // Of two sets, the first one by name tells it.
  const isTold = other.kind === "RealtimeSet" && object.name < set.object.name;
  if (!isOther || isLeft === "true" || isTold || other.kind === "Service") return false;
  const selectorOf = ({ body }: KubeObject): unknown => at(body, "spec", "selector");
  return (
    other.replicas > 0 &&
    sameNamespace(object.namespace, set.object.namespace) &&
    (selects(selectorOf(set.object), other.podLabels) || selects(selectorOf(object), set.podLabels))
  );
}

function stalled({ object }: Workload): readonly Finding[] {
  const condition = conditionOf(object, "Stalled");
  if (condition === undefined) return [];
  return [
    finding("set-stalled", {
      object,
      found: `${text(condition.reason)}: ${text(condition.message)}`,
      fix: `See holdfast rollout status ${object.name}. Correct the template, or holdfast rollout retry or undo.`,
    }),
  ];
}

/** What moves only if a person or the cluster does something, and records that nobody ends. */
function stuck({ object }: Workload, snapshot: ClusterSnapshot): readonly Finding[] {
  const waiting = conditionOf(object, "Waiting");
  const release = at(object.body, "status", "release");
  const waits =
    waiting === undefined || release === undefined
      ? []
      : [
          finding("release-stuck", {
            object,
            found: `${text(at(release, "from"))} -> ${text(at(release, "to"))}, step ${number(at(release, "step"))} of ${number(at(release, "steps"))}: ${text(waiting.message)}`,
            fix: `See holdfast rollout status ${object.name}. Then promote, resume or abort it, or give it what it waits for.`,
          }),
        ];
  const memory = memoryOf(object.body);
  const underWay = memory.ok ? memory.value?.release : undefined;
  const orphans = snapshot
    .all("RealtimeRelease", "holdfast.dev")
    .filter(
      ({ body, namespace }) =>
        text(at(body, "spec", "set")) === object.name &&
        sameNamespace(namespace, object.namespace) &&
        ["Advancing", "RollingBack"].includes(text(at(body, "status", "phase")) ?? ""),
    )
    .filter(({ body }) => memory.ok && text(at(body, "spec", "to")) !== underWay?.to)
    .map((record) =>
      finding("release-stuck", {
        object: record,
        path: ["status"],
        found: `it is ${text(at(record.body, "status", "phase"))}, and ${object.name} has ${underWay === undefined ? "no release under way" : `another one under way, to ${underWay.to}`}`,
        fix: "If no operator runs, start one: it ends the record. Otherwise look at its log.",
      }),
    );
  return [...waits, ...orphans];
}
