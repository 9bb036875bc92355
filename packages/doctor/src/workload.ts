// Owns: workloads as the doctor sees them: pods, containers, their number, and whether clients
// connect to them.
import { optionRows } from "@holdfast/config";
import type { KubeObject } from "@holdfast/kube";
import { at, isRecord, type Json, list, number, type Path, record, text } from "@holdfast/kube";
import type { RealtimeSetSpec } from "@holdfast/operator";
import {
  type ClusterSnapshot,
  type DoctorOptions,
  sameNamespace,
  servicesOf,
} from "./cluster-snapshot.ts";
import { operatorLabels, setSpecOf } from "./realtime-set.ts";

export type WorkloadKind = "Deployment" | "StatefulSet" | "Rollout" | "Service" | "RealtimeSet";

export interface Container {
  readonly name: string;
  readonly body: Json;
  /** From the object's root. */
  readonly path: Path;
}

export interface Workload {
  readonly object: KubeObject;
  readonly kind: WorkloadKind;
  readonly podLabels: Json;
  readonly podAnnotations: Json;
  readonly podSpec: Json;
  /** The path of the pod's spec in the object. */
  readonly podPath: Path;
  readonly containers: readonly Container[];
  /** The one that holds the connections. */
  readonly main: Container;
  readonly initContainers: readonly Container[];
  /** The least number of pods: from its replicas, or from its autoscaler's minimum. */
  readonly replicas: number;
  /** Those that stand for the pods first, headless ones last. */
  readonly services: readonly KubeObject[];
  readonly autoscaler: KubeObject | undefined;
  /** One of our nodes. */
  readonly own: boolean;
  /** Of a RealtimeSet: what it asks of the operator. Undefined if that cannot be read. */
  readonly set: RealtimeSetSpec | undefined;
}

const KINDS: readonly (readonly [WorkloadKind, string])[] = [
  ["Deployment", "apps"],
  ["StatefulSet", "apps"],
  ["Rollout", "argoproj.io"],
  ["Service", "serving.knative.dev"],
  ["RealtimeSet", "holdfast.dev"],
];
const SIDECAR_NAMES =
  /^(istio-proxy|linkerd-proxy|envoy|proxy|cloud-sql-proxy|cloudsql-proxy|oauth2?-proxy|nginx|haproxy|filebeat|fluent-?bit|vault-agent|otel-.*)$/;

/** Every workload of the scene, those of its proxies and databases too. */
export function workloadsOf(snapshot: ClusterSnapshot): readonly Workload[] {
  return KINDS.flatMap(([kind, group]) =>
    snapshot.all(kind, group).flatMap((object) => workloadOf(object, kind, snapshot) ?? []),
  );
}

function workloadOf(
  object: KubeObject,
  kind: WorkloadKind,
  snapshot: ClusterSnapshot,
): Workload | undefined {
  const template = at(object.body, "spec", "template");
  const podPath: Path = ["spec", "template", "spec"];
  const podSpec = at(template, "spec");
  if (!isRecord(podSpec)) return undefined;
  const containers = containersAt(podSpec, podPath, "containers");
  const main =
    containers.find((container) => isOurs(container, snapshot)) ??
    containers.find(({ name }) => !SIDECAR_NAMES.test(name)) ??
    containers[0];
  if (main === undefined) return undefined;
  const isSet = kind === "RealtimeSet";
  const podLabels = {
    ...record(at(template, "metadata", "labels")),
    ...(isSet ? operatorLabels(object.name) : {}),
  };
  const autoscaler = autoscalerOf(object, snapshot);
  const set = isSet ? setSpecOf(object) : undefined;
  return {
    object,
    kind,
    podLabels,
    podAnnotations: record(at(template, "metadata", "annotations")),
    podSpec,
    podPath,
    containers,
    main,
    initContainers: containersAt(podSpec, podPath, "initContainers"),
    replicas: replicasOf(object, autoscaler, set),
    services: servicesOf(snapshot, podLabels, object.namespace).toSorted(
      (a, b) => Number(isHeadless(a)) - Number(isHeadless(b)),
    ),
    autoscaler,
    own: containers.some((container) => isOurs(container, snapshot)),
    set,
  };
}

function containersAt(podSpec: Json, podPath: Path, field: string): readonly Container[] {
  return list(podSpec[field]).flatMap((body, index) =>
    isRecord(body) ? [{ name: text(body.name) ?? "", body, path: [...podPath, field, index] }] : [],
  );
}

/**
 * By its image, or by a variable that only a node reads. A client's HOLDFAST_URL makes no node. The
 * image has other commands, too: an operator holds no connections.
 */
function isOurs({ body }: Container, { options }: ClusterSnapshot): boolean {
  const command = list(body.args).map(text)[0];
  const servesNobody = command !== undefined && /^[a-z]/.test(command) && command !== "serve";
  return (
    list(body.env).some((entry) =>
      isOwnVariable(text(at(entry, "name")) ?? "", options.nodeOptions),
    ) ||
    (/(^|\/)holdfast(:|@|$)/.test(text(body.image) ?? "") && !servesNobody)
  );
}

function isOwnVariable(name: string, table: DoctorOptions["nodeOptions"]): boolean {
  return (
    name.startsWith("HOLDFAST_") &&
    (name === "HOLDFAST_CONFIG" || optionRows(table).some(({ env }) => env === name))
  );
}

function autoscalerOf(object: KubeObject, snapshot: ClusterSnapshot): KubeObject | undefined {
  const aims = (ref: unknown, scaler: KubeObject): boolean =>
    text(at(ref, "name")) === object.name &&
    (text(at(ref, "kind")) ?? "Deployment") === object.kind &&
    sameNamespace(scaler.namespace, object.namespace);
  return [
    ...snapshot.all("ScaledObject", "keda.sh"),
    ...snapshot.all("HorizontalPodAutoscaler", "autoscaling"),
  ].find((scaler) => aims(at(scaler.body, "spec", "scaleTargetRef"), scaler));
}

function replicasOf(
  object: KubeObject,
  autoscaler: KubeObject | undefined,
  set: RealtimeSetSpec | undefined,
): number {
  const least =
    number(at(autoscaler?.body, "spec", "minReplicas")) ??
    number(at(autoscaler?.body, "spec", "minReplicaCount"));
  if (autoscaler !== undefined) return least ?? (autoscaler.kind === "ScaledObject" ? 0 : 1);
  return set?.autoscaling?.minReplicas ?? number(at(object.body, "spec", "replicas")) ?? 1;
}

const STORE_IMAGE = /(^|\/)(redis|valkey|redis-stack-server|redis-stack|keydb|dragonfly)(:|@|$)/;
const DATABASE_IMAGE =
  /(^|\/)(postgres|postgresql|mysql|mariadb|mongo|mongodb|rabbitmq|nats|kafka|etcd|memcached|prometheus|grafana)(:|@|$)/;

export const isRedis = (workload: Workload): boolean =>
  STORE_IMAGE.test(text(workload.main.body.image) ?? "");
const isDatabase = (workload: Workload): boolean =>
  DATABASE_IMAGE.test(text(workload.main.body.image) ?? "");

/** Container ports by name. */
function portNumber(workload: Workload, port: unknown): number | undefined {
  const direct = number(port);
  if (direct !== undefined) return direct;
  const named = workload.containers
    .flatMap(({ body }) => list(body.ports))
    .find(
      (entry) => text(at(entry, "name")) !== undefined && text(at(entry, "name")) === text(port),
    );
  return number(at(named, "containerPort"));
}

/** Ports of the pod that its Services lead to. */
export function servedPorts(workload: Workload): readonly number[] {
  return workload.services.flatMap((service) =>
    list(at(service.body, "spec", "ports")).flatMap(
      (port) => portNumber(workload, at(port, "targetPort") ?? at(port, "port")) ?? [],
    ),
  );
}

/** It gives the pods' addresses and stands for nobody: clients reach single pods by it. */
export const isHeadless = (service: KubeObject): boolean =>
  text(at(service.body, "spec", "clusterIP")) === "None";

/** The Services on a client's way: headless ones only if there is no other. */
export function clientServices({ services }: Workload): readonly KubeObject[] {
  const balanced = services.filter((service) => !isHeadless(service));
  return balanced.length > 0 ? balanced : services;
}

/** Whether anything says that WebSockets go to it: our own, an appProtocol, or a name for it. */
export function saysWebSocket(workload: Workload): boolean {
  return (
    workload.own ||
    workload.services.some((service) =>
      list(at(service.body, "spec", "ports")).some((port) =>
        /^(kubernetes\.io\/)?wss?$/.test(text(at(port, "appProtocol")) ?? ""),
      ),
    )
  );
}

export { isDatabase, portNumber };
