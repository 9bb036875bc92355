// Owns: rules of autoscalers: HPA, KEDA, VPA.

import type { KubeObject } from "@holdfast/kube";
import { at, list, number, type Path, seconds, text } from "@holdfast/kube";
import type { ClientPath } from "../client-path.ts";
import { type ClusterSnapshot, sameNamespace } from "../cluster-snapshot.ts";
import { type Finding, finding } from "../finding.ts";
import { patchAt, patchOf } from "../patches.ts";

const STABILIZATION_SECONDS = 300;

export function autoscalingRules(
  clientPath: ClientPath,
  snapshot: ClusterSnapshot,
): readonly Finding[] {
  const { autoscaler, object, kind } = clientPath.workload;
  const vertical = vpa(clientPath, snapshot);
  if (autoscaler === undefined) return vertical;
  const keda = autoscaler.kind === "ScaledObject";
  return [
    ...vertical,
    ...scaleDown(clientPath, autoscaler),
    ...(keda
      ? kedaRules(autoscaler, kind === "RealtimeSet")
      : [...cpuOnly(clientPath, autoscaler), ...valueTarget(autoscaler)]),
    ...replicas(object, autoscaler),
  ];
}

function scaleDown({ load, workload }: ClientPath, scaler: KubeObject): readonly Finding[] {
  const base: Path =
    scaler.kind === "ScaledObject"
      ? ["spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", "scaleDown"]
      : ["spec", "behavior", "scaleDown"];
  const down = at(scaler.body, ...base);
  const drain = load.drain.maxSeconds;
  const wanted = Math.ceil(Math.max(STABILIZATION_SECONDS, drain));
  const periodSeconds = Math.min(1800, Math.ceil(Math.max(60, drain)));
  const found: Finding[] = [];
  const window = number(at(down, "stabilizationWindowSeconds")) ?? STABILIZATION_SECONDS;
  if (window < Math.max(60, drain))
    found.push(
      finding("hpa-no-stabilization", {
        object: scaler,
        path: [...base, "stabilizationWindowSeconds"],
        found: `stabilizationWindowSeconds is ${window}`,
        sum: `${window} s < max(60 s, M = ${seconds(drain)})`,
        fix: `Set it to ${wanted} s.`,
        patch: patchAt(scaler, [...base, "stabilizationWindowSeconds"], wanted),
      }),
    );
  if (text(at(down, "selectPolicy")) === "Disabled") return found;
  // Whatever is asked, the operator empties one pod of a set after the other.
  if (workload.kind === "RealtimeSet") return found;
  const policies = list(at(down, "policies"));
  const fast =
    policies.length === 0 ||
    policies.some((policy) => isFast(policy, Math.max(2, workload.replicas), Math.max(60, drain)));
  if (fast)
    found.push(
      finding("hpa-scale-down-policy", {
        object: scaler,
        path: [...base, "policies"],
        found:
          policies.length === 0
            ? "no policy: 100 % of the pods every 15 s, by default"
            : `policies allow ${policies.map(shown).join(", ")}`,
        sum: `expected one pod in max(60 s, M = ${seconds(drain)}) = ${seconds(Math.max(60, drain))}`,
        fix: `Allow one pod every ${periodSeconds} s.`,
        patch: patchAt(scaler, [...base, "policies"], [{ type: "Pods", value: 1, periodSeconds }]),
      }),
    );
  return found;
}

/** Whether a policy takes more than a pod, or a tenth, in the time of a drain. */
function isFast(policy: unknown, pods: number, drainSeconds: number): boolean {
  const period = number(at(policy, "periodSeconds")) ?? 15;
  const value = number(at(policy, "value")) ?? 100;
  const each = text(at(policy, "type")) === "Pods" ? value : Math.ceil((pods * value) / 100);
  const tenth = text(at(policy, "type")) === "Percent" && value <= 10;
  return period < Math.min(drainSeconds, 1800) || (each > 1 && !tenth);
}

function shown(policy: unknown): string {
  return `${text(at(policy, "value"))} ${text(at(policy, "type"))} in ${text(at(policy, "periodSeconds"))} s`;
}

/** The metric of our nodes; for others a name that says what to publish. */
const OWN_METRIC = "holdfast_connections";
const OTHER_METRIC = "websocket_connections";
/**
 * Seven tenths of a pod's planned connections: the rest is for the connections of a pod that ended.
 */
const FULL_SHARE = 0.7;

function cpuOnly({ workload, load }: ClientPath, hpa: KubeObject): readonly Finding[] {
  const metrics = list(at(hpa.body, "spec", "metrics"));
  const isCpu = (metric: unknown): boolean =>
    [at(metric, "resource", "name"), at(metric, "containerResource", "name")].some(
      (name) => text(name) === "cpu",
    );
  if (!metrics.every(isCpu)) return [];
  const name = workload.own ? OWN_METRIC : OTHER_METRIC;
  const averageValue = String(Math.floor(load.connections * FULL_SHARE));
  const wanted = {
    type: "Pods",
    pods: { metric: { name }, target: { type: "AverageValue", averageValue } },
  };
  return [
    finding("hpa-cpu-only", {
      object: hpa,
      path: ["spec", "metrics"],
      found:
        metrics.length === 0 ? "no metric is named, which means CPU" : "cpu is the only metric",
      fix: `Scale on connections for each pod, such as ${name} with AverageValue ${averageValue} (an adapter must serve it), and keep CPU as a guard.`,
      patch: patchOf(hpa, { spec: { metrics: [...metrics, wanted] } }),
    }),
  ];
}

function valueTarget(hpa: KubeObject): readonly Finding[] {
  const metrics = list(at(hpa.body, "spec", "metrics"));
  const kindOf = (metric: unknown): "external" | "object" | undefined =>
    at(metric, "external", "target", "value") !== undefined
      ? "external"
      : at(metric, "object", "target", "value") !== undefined
        ? "object"
        : undefined;
  const index = metrics.findIndex((metric) => kindOf(metric) !== undefined);
  const kind = kindOf(metrics[index]);
  if (kind === undefined) return [];
  return [
    finding("hpa-value-target", {
      object: hpa,
      path: ["spec", "metrics", index, kind, "target"],
      found: `metrics[${index}] has a target of type Value`,
      fix: "Use AverageValue: pods = total / target. Publish a total that counts the sessions which draining pods will move, and leaves those pods out.",
    }),
  ];
}

function replicas(object: KubeObject, scaler: KubeObject): readonly Finding[] {
  const found = number(at(object.body, "spec", "replicas"));
  // In a live cluster, the autoscaler wrote this value.
  if (found === undefined || object.place.line === 0) return [];
  return [
    finding("replicas-with-autoscaler", {
      object,
      path: ["spec", "replicas"],
      found: `replicas is ${found}, and ${scaler.kind} ${scaler.name} scales it`,
      fix: "Leave replicas out of the manifest.",
      patch: patchAt(object, ["spec", "replicas"], null),
    }),
  ];
}

/** The operator keeps pods with people on them whatever KEDA asks. */
function kedaRules(scaled: KubeObject, isOfSet: boolean): readonly Finding[] {
  const found: Finding[] = [];
  const least = number(at(scaled.body, "spec", "minReplicaCount")) ?? 0;
  if (least === 0 && !isOfSet)
    found.push(
      finding("keda-to-zero", {
        object: scaled,
        path: ["spec", "minReplicaCount"],
        found: `minReplicaCount is 0${at(scaled.body, "spec", "minReplicaCount") === undefined ? " by default" : ""}; cooldownPeriod is ${number(at(scaled.body, "spec", "cooldownPeriod")) ?? 300} s`,
        fix: "Keep two pods.",
        patch: patchAt(scaled, ["spec", "minReplicaCount"], 2),
      }),
    );
  const triggers = list(at(scaled.body, "spec", "triggers")).map((trigger) =>
    text(at(trigger, "type")),
  );
  const onlyCpu = triggers.length > 0 && triggers.every((type) => type === "cpu");
  if (onlyCpu)
    found.push(
      finding("hpa-cpu-only", {
        object: scaled,
        path: ["spec", "triggers"],
        found: "cpu is the only trigger",
        fix: "Add a prometheus trigger on connections for each pod.",
      }),
    );
  const behavior = text(at(scaled.body, "spec", "fallback", "behavior"));
  const safe = behavior === "currentReplicas" || behavior === "currentReplicasIfHigher";
  const external = triggers.some((type) => type !== "cpu" && type !== "memory" && type !== "cron");
  if (external && !safe)
    found.push(
      finding("keda-fallback", {
        object: scaled,
        path: ["spec", "fallback"],
        found:
          at(scaled.body, "spec", "fallback") === undefined
            ? "no fallback"
            : `fallback.behavior is ${behavior ?? "static"}`,
        fix: "Use currentReplicasIfHigher: a lost metric then never scales in.",
        patch: patchAt(scaled, ["spec", "fallback"], {
          failureThreshold: 3,
          replicas: Math.max(2, least),
          behavior: "currentReplicasIfHigher",
        }),
      }),
    );
  return found;
}

function vpa({ workload }: ClientPath, snapshot: ClusterSnapshot): readonly Finding[] {
  return snapshot
    .all("VerticalPodAutoscaler")
    .filter(
      (one) =>
        text(at(one.body, "spec", "targetRef", "name")) === workload.object.name &&
        sameNamespace(one.namespace, workload.object.namespace),
    )
    .filter((one) =>
      ["Auto", "Recreate"].includes(
        text(at(one.body, "spec", "updatePolicy", "updateMode")) ?? "Auto",
      ),
    )
    .map((one) =>
      finding("vpa-evicts", {
        object: one,
        path: ["spec", "updatePolicy"],
        found: `updateMode is ${text(at(one.body, "spec", "updatePolicy", "updateMode")) ?? "Auto by default"}`,
        fix: "Use Initial: new sizes count for new pods.",
        patch: patchAt(one, ["spec", "updatePolicy", "updateMode"], "Initial"),
      }),
    );
}
