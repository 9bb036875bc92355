// Owns: rules of releases and placement: strategy, surge, single pods, spread, memory.

import { at, isRecord, list, number, quantity, share, text } from "@holdfast/kube";
import type { ClientPath } from "../client-path.ts";
import { type Finding, finding } from "../finding.ts";
import { containerPatch, patchAt, patchOf, podPatch } from "../patches.ts";

/**
 * Resident memory of a session with a subscription, measured (docs/operations/sizing.md), and of
 * the kernel for its socket.
 */
const CONNECTION_BYTES = 5500;
const KERNEL_BYTES = 4096;
/** Of a node without connections, measured on Bun. */
const BASE_BYTES = 64 * 1024 * 1024;
const MIB = 1024 * 1024;

export function rolloutRules(clientPath: ClientPath): readonly Finding[] {
  if (clientPath.workload.kind === "Service") return [];
  return [
    ...strategy(clientPath),
    ...single(clientPath),
    ...minReady(clientPath),
    ...spread(clientPath),
    ...memory(clientPath),
    ...promotion(clientPath),
  ];
}

function strategy({ workload }: ClientPath): readonly Finding[] {
  const { object, kind } = workload;
  if (kind !== "Deployment") return [];
  const path = ["spec", "strategy"];
  const rolling = { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
  if (text(at(object.body, ...path, "type")) === "Recreate")
    return [
      finding("recreate-strategy", {
        object,
        path: [...path, "type"],
        found: "strategy.type is Recreate",
        fix: "Use RollingUpdate with a surge of one.",
        patch: patchAt(object, path, rolling),
      }),
    ];
  const pods = Math.max(1, workload.replicas);
  const given = at(object.body, ...path, "rollingUpdate", "maxUnavailable");
  const away = share(given ?? "25%", pods, "down") ?? 0;
  const surge =
    share(at(object.body, ...path, "rollingUpdate", "maxSurge") ?? "25%", pods, "up") ?? 1;
  // The API takes one pod away when both would be zero.
  const taken = away === 0 && surge === 0 ? 1 : away;
  if (taken === 0) return [];
  return [
    finding("rollout-unavailable", {
      object,
      path: [...path, "rollingUpdate", "maxUnavailable"],
      found: `maxUnavailable is ${text(given) ?? "25% by default"}`,
      sum: `${text(given) ?? "25%"} of ${pods} pods = ${taken} away at once, ${surge} in addition`,
      fix: "Set maxUnavailable to 0 and maxSurge to 1: a new pod is ready before an old one drains.",
      patch: patchAt(object, path, rolling),
    }),
  ];
}

function single({ workload }: ClientPath): readonly Finding[] {
  if (workload.replicas !== 1) return [];
  const { object, autoscaler, set } = workload;
  const target = autoscaler ?? object;
  const ownLoop = set?.autoscaling === undefined ? ["replicas"] : ["autoscaling", "minReplicas"];
  const path = [
    "spec",
    ...(autoscaler === undefined
      ? ownLoop
      : [autoscaler.kind === "ScaledObject" ? "minReplicaCount" : "minReplicas"]),
  ];
  return [
    finding("single-replica", {
      object: target,
      path,
      found: `${path.at(-1)} is 1`,
      fix: "Run at least two pods, and a broker that they share.",
      patch: patchAt(target, path, 2),
    }),
  ];
}

const MIN_READY_SECONDS = 10;

function minReady({ workload }: ClientPath): readonly Finding[] {
  // A set has no such field: its releases wait for each drain, and for warmSeconds.
  if (workload.kind === "RealtimeSet") return [];
  const found = number(at(workload.object.body, "spec", "minReadySeconds")) ?? 0;
  if (found > 0 || workload.replicas < 2) return [];
  return [
    finding("min-ready-seconds", {
      object: workload.object,
      path: ["spec", "minReadySeconds"],
      found: "minReadySeconds is 0",
      fix: `Set it to ${MIN_READY_SECONDS}, so that a release waits for clients to arrive.`,
      patch: patchAt(workload.object, ["spec", "minReadySeconds"], MIN_READY_SECONDS),
    }),
  ];
}

function spread({ workload }: ClientPath): readonly Finding[] {
  const { podSpec, podLabels } = workload;
  const spreads =
    list(podSpec.topologySpreadConstraints).length > 0 ||
    isRecord(at(podSpec, "affinity", "podAntiAffinity"));
  if (spreads || workload.replicas < 2) return [];
  const labelSelector = {
    matchLabels: at(workload.object.body, "spec", "selector", "matchLabels") ?? podLabels,
  };
  const constraints = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map(
    (topologyKey) => ({
      maxSkew: 1,
      topologyKey,
      whenUnsatisfiable: "ScheduleAnyway",
      labelSelector,
    }),
  );
  return [
    finding("no-topology-spread", {
      object: workload.object,
      path: workload.podPath,
      found: "the pod has neither topologySpreadConstraints nor podAntiAffinity",
      sum: `up to ${workload.replicas} of ${workload.replicas} pods on one machine`,
      fix: "Spread over zones and machines.",
      patch: podPatch(workload, { topologySpreadConstraints: constraints }),
    }),
  ];
}

function memory({ workload, load }: ClientPath): readonly Finding[] {
  const { main, object } = workload;
  const path = [...main.path, "resources"];
  const limit = quantity(at(main.body, "resources", "limits", "memory"));
  const request = quantity(at(main.body, "resources", "requests", "memory")) ?? limit;
  const needed = BASE_BYTES + load.connections * (CONNECTION_BYTES + KERNEL_BYTES);
  const neededMi = Math.ceil(needed / MIB);
  const resources = {
    requests: { memory: `${neededMi}Mi` },
    limits: { memory: `${neededMi * 2}Mi` },
  };
  if (request === undefined)
    return [
      finding("memory-unbounded", {
        object,
        path,
        found: `container ${main.name} has no memory request`,
        fix: "Request what its connections need.",
        ...(load.own === undefined
          ? {}
          : { patch: containerPatch(workload, { container: main, change: { resources } }) }),
      }),
    ];
  // The memory of another application's connection is not known; ours is measured.
  if (load.own === undefined || limit === undefined || limit >= needed) return [];
  return [
    finding("memory-tight", {
      severity: load.connectionsBasis === "assumed" ? "warning" : "error",
      object,
      path: [...path, "limits", "memory"],
      found: `the limit is ${Math.floor(limit / MIB)} MiB, ${load.connections} connections need ${neededMi} MiB`,
      sum: `64 MiB + ${load.connections} x (5.5 kB + 4 KiB) = ${neededMi} MiB, without queues and histories`,
      fix: `Give it ${neededMi * 2} MiB, or hold fewer connections in each pod.`,
      patch: containerPatch(workload, { container: main, change: { resources } }),
    }),
  ];
}

const SCALE_DOWN_SECONDS = 30;

/** Argo Rollouts: the Service switches to the new pods, and the old ones end 30 s later. */
function promotion({ workload, load }: ClientPath): readonly Finding[] {
  if (workload.kind !== "Rollout") return [];
  const { object } = workload;
  const strategyOf =
    at(object.body, "spec", "strategy", "blueGreen") === undefined ? "canary" : "blueGreen";
  const path = ["spec", "strategy", strategyOf];
  const routed =
    strategyOf === "blueGreen" || at(object.body, ...path, "trafficRouting") !== undefined;
  if (!routed || at(object.body, ...path) === undefined) return [];
  const delay = number(at(object.body, ...path, "scaleDownDelaySeconds")) ?? SCALE_DOWN_SECONDS;
  const wanted = Math.ceil(Math.max(300, load.drain.maxSeconds));
  const found: Finding[] = [];
  if (delay < wanted)
    found.push(
      finding("rollout-scale-down", {
        object,
        path: [...path, "scaleDownDelaySeconds"],
        found: `scaleDownDelaySeconds is ${delay}`,
        sum: `${delay} s < max(300 s, M = ${Math.ceil(load.drain.maxSeconds)} s)`,
        fix: `Set it to ${wanted} s; the pods still drain when they are deleted.`,
        patch: patchOf(object, {
          spec: { strategy: { [strategyOf]: { scaleDownDelaySeconds: wanted } } },
        }),
      }),
    );
  if (strategyOf === "blueGreen")
    found.push(
      finding("selector-switch", {
        object,
        path,
        found: `promotion switches the selector of Service ${text(at(object.body, ...path, "activeService"))}`,
        fix: "Use canary with trafficRouting and pingPong services, which leaves selectors alone.",
      }),
    );
  return found;
}
