// Owns: what a release of a RealtimeSet would do, from the set as it is: its pods, its connections,
// its options, and the operator's own decisions.
import { nodeConfigOf } from "@holdfast/doctor";
import {
  at,
  type Json,
  KubeApiError,
  kubeObject,
  list,
  number,
  record,
  text,
} from "@holdfast/kube";
import { type Desired, desiredOf, memoryOf, readSet, type SetAsRead } from "@holdfast/operator";
import { PATHS, REVISION_LABEL } from "@holdfast/operator-runtime";
import { type Forecast, forecastRelease, type PodAtStart, type PodTimes } from "@holdfast/plan";
import { NODE_OPTIONS } from "@holdfast/server/options";
import type { SetApi } from "./set-api.ts";

/** What is forecast, and from what. */
export interface ReleaseForecast {
  readonly forecast: Forecast;
  readonly desired: Desired;
  readonly from: string;
  readonly times: PodTimes;
  readonly pods: number;
  readonly replicas: number;
}

export interface Asked {
  /** The object as it would be. */
  readonly set: Json;
  /** The revision that its template would have. */
  readonly revision: string;
}

/** Of a pod of which the cluster does not say. */
const START_MS = 10_000;
const START_MS_MAX = 600_000;
const HANDSHAKES_PER_SECOND = 500;

/** The forecast, or why there is none, in words. */
export async function releaseForecast(
  { set, revision }: Asked,
  cluster: SetApi,
): Promise<ReleaseForecast | string> {
  const read = readSet(set);
  const memory = memoryOf(set);
  if (!read.ok) return `The operator could not read the set: ${read.problems.join(" ")}`;
  if (!memory.ok) return `The status cannot be read: ${memory.problems.join(" ")}`;
  const status = memory.value;
  if (status === undefined) return "The operator has not seen the set yet.";
  const { items } = await cluster.api.list(cluster.podsPath, cluster.ofSet);
  const live = items.filter(isReady);
  if (live.length === 0) return "No pod of the set is ready: there is nothing to go by.";
  const replicasNow = number(at(set, "status", "desiredReplicas")) ?? live.length;
  const desired = desiredOf(read.value, { revision, replicasNow, status });
  const times = await timesOf(read.value, live, { set, cluster });
  const connections = number(at(set, "status", "connections")) ?? 0;
  const sharePercent = number(at(set, "status", "release", "sharePercent")) ?? 100;
  const to = status.release?.to ?? status.stable;
  const pods = podsAtStart(live, { connections, to, sharePercent }, desired.connections.perPod);
  const forecast = forecastRelease({
    ...{ desired, pods, times, status },
    machines: await machinesOf(live, cluster),
  });
  const replicas = status.autoscaling?.replicas ?? desired.replicas;
  return { forecast, desired, from: status.stable, times, pods: live.length, replicas };
}

/** Of what is under way, `sharePercent` are on revision `to`. Pods of one side carry the same. */
function podsAtStart(
  live: readonly Json[],
  { connections, to, sharePercent }: { connections: number; to: string; sharePercent: number },
  places: number,
): readonly PodAtStart[] {
  const isNew = (pod: Json): boolean => revisionOf(pod) === to;
  const fresh = live.filter(isNew).length;
  const old = live.length - fresh;
  const there = Math.round((connections * (old === 0 ? 100 : sharePercent)) / 100);
  const onNew = fresh === 0 ? 0 : there;
  const parts = [spread(onNew, fresh), spread(connections - onNew, old)];
  return live.map((pod) => ({
    revision: revisionOf(pod),
    machine: text(at(pod, "spec", "nodeName")) ?? "",
    connections: parts[isNew(pod) ? 0 : 1]?.pop() ?? 0,
    places,
  }));
}

/** A whole in equal parts. */
const spread = (whole: number, parts: number): number[] =>
  Array.from(
    { length: parts },
    (_, index) => Math.floor((whole * (index + 1)) / parts) - Math.floor((whole * index) / parts),
  );

const revisionOf = (pod: Json): string =>
  text(record(at(pod, "metadata", "labels"))[REVISION_LABEL]) ?? "";

const readyOf = (pod: Json): unknown =>
  list(at(pod, "status", "conditions")).find(
    (one) => at(one, "type") === "Ready" && at(one, "status") === "True",
  );
const isReady = (pod: Json): boolean =>
  readyOf(pod) !== undefined && at(pod, "metadata", "deletionTimestamp") === undefined;

async function timesOf(
  read: SetAsRead,
  live: readonly Json[],
  { set, cluster }: { readonly set: Json; readonly cluster: SetApi },
): Promise<PodTimes> {
  const config = nodeConfigOf(
    [set, ...(await configMaps(cluster))].map((body) =>
      kubeObject(body, () => ({ file: "the cluster", line: 0 })),
    ),
    read.name,
    NODE_OPTIONS,
  );
  const template = at(read.spec.template, "spec", "containers");
  const probes = list(template)
    .map((one) => at(one, "readinessProbe"))
    .filter((one) => one);
  const unready = probes.map(
    (probe) =>
      (number(at(probe, "periodSeconds")) ?? 10) * (number(at(probe, "failureThreshold")) ?? 3),
  );
  return {
    startMs: startMsOf(live),
    unreadyMs: 1000 * Math.min(...(unready.length > 0 ? unready : [1])),
    handshakesPerSecond: config?.admission.handshakesPerSecond ?? HANDSHAKES_PER_SECOND,
    perSecondMax: config?.drain.perSecondMax ?? HANDSHAKES_PER_SECOND,
  };
}

/** What the fastest pod took: others waited for a broker or a machine, or were unready again. */
function startMsOf(live: readonly Json[]): number {
  const took = live
    .map((pod) => {
      const readyAt = Date.parse(text(at(readyOf(pod), "lastTransitionTime")) ?? "");
      return readyAt - Date.parse(text(at(pod, "metadata", "creationTimestamp")) ?? "");
    })
    .filter((ms) => ms >= 0 && ms <= START_MS_MAX);
  return took.length === 0 ? START_MS : Math.min(...took);
}

/** ConfigMaps may not be read: then options in files have their defaults. */
async function configMaps({ api, namespace }: SetApi): Promise<readonly Json[]> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps`;
  return (await allowed(async () => (await api.list(path)).items, [])).map((one) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    ...one,
  }));
}

/** Machines that pods may come to, or those of the pods if nodes may not be read. */
async function machinesOf(live: readonly Json[], { api }: SetApi): Promise<readonly string[]> {
  const own = [...new Set(live.map((pod) => text(at(pod, "spec", "nodeName")) ?? ""))];
  const nodes = await allowed(async () => (await api.list(PATHS.machines)).items, []);
  const open = nodes
    .filter((node) => at(node, "spec", "unschedulable") !== true)
    .filter(
      (node) =>
        !list(at(node, "spec", "taints")).some((one) => at(one, "effect") !== "PreferNoSchedule"),
    )
    .flatMap((node) => text(at(node, "metadata", "name")) ?? []);
  return open.length > 0 ? open : own;
}

async function allowed<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KubeApiError && error.isForbidden) return otherwise;
    throw error;
  }
}
