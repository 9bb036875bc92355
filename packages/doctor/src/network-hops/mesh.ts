// Owns: hops of meshes and of Knative: sidecars that end after their own time, Istio's gateways and
// destination rules, revisions with a timeout.

import type { KubeObject } from "@holdfast/kube";
import {
  at,
  durationSeconds,
  isRecord,
  type Json,
  list,
  number,
  picks,
  record,
  text,
} from "@holdfast/kube";
import { parse } from "yaml";
import { type ClusterSnapshot, namespaceLabels, sameNamespace } from "../cluster-snapshot.ts";
import { patchAt, podAnnotationPatch } from "../patches.ts";
import type { Workload } from "../workload.ts";
import { frontsSelecting } from "./fronts.ts";
import type { Knob, NetworkHop } from "./network-hop.ts";

const PROXY_CONFIG = "proxy.istio.io/config";

/** Whether Istio puts a sidecar into the pod. */
function hasIstioSidecar(workload: Workload, snapshot: ClusterSnapshot): boolean {
  const asked =
    text(workload.podLabels["sidecar.istio.io/inject"]) ??
    text(workload.podAnnotations["sidecar.istio.io/inject"]);
  if (asked !== undefined) return asked === "true";
  const labels = namespaceLabels(snapshot, workload.object.namespace);
  return (
    [...workload.containers, ...workload.initContainers].some(
      ({ name }) => name === "istio-proxy",
    ) ||
    text(labels["istio-injection"]) === "enabled" ||
    (text(labels["istio.io/rev"]) !== undefined &&
      text(labels["istio.io/dataplane-mode"]) !== "ambient") ||
    workload.podAnnotations[PROXY_CONFIG] !== undefined
  );
}

/**
 * A sidecar that gets SIGTERM together with the application and ends after its own time. Native
 * sidecars end last.
 */
export function sidecarHops(workload: Workload, snapshot: ClusterSnapshot): readonly NetworkHop[] {
  const hops: NetworkHop[] = [];
  if (hasIstioSidecar(workload, snapshot)) hops.push(istioSidecar(workload, snapshot));
  if (hasLinkerdSidecar(workload, snapshot)) hops.push(linkerdSidecar(workload));
  return hops;
}

function istioSidecar(workload: Workload, snapshot: ClusterSnapshot): NetworkHop {
  const config = proxyConfig(workload.podAnnotations[PROXY_CONFIG]);
  const mesh = record(at(meshConfig(snapshot), "defaultConfig"));
  const hop: NetworkHop = { kind: "sidecar", name: "istio-proxy" };
  const native =
    text(workload.podAnnotations["sidecar.istio.io/nativeSidecar"]) === "true" ||
    workload.initContainers.some(({ name }) => name === "istio-proxy");
  const waits = [config, mesh].some(
    (from) => text(at(from, "proxyMetadata", "EXIT_ON_ZERO_ACTIVE_CONNECTIONS")) === "true",
  );
  if (native || waits) return hop;
  const own = durationSeconds(at(config, "terminationDrainDuration"));
  const found = own ?? durationSeconds(at(mesh, "terminationDrainDuration"));
  const drain: Knob = {
    value: found ?? 5,
    set: found !== undefined,
    name: "terminationDrainDuration",
    object: workload.object,
    path: ["spec", "template", "metadata", "annotations", PROXY_CONFIG],
    patch: (seconds) =>
      podAnnotationPatch(workload, {
        [PROXY_CONFIG]: JSON.stringify({ ...config, terminationDrainDuration: `${seconds}s` }),
      }),
  };
  return { ...hop, drain, drainFrom: "deletion" };
}

/** The annotation is YAML (or JSON) in a text. */
function proxyConfig(annotation: unknown): Json {
  return parsedYaml(text(annotation));
}

function parsedYaml(content: string | undefined): Json {
  if (content === undefined) return {};
  try {
    const value: unknown = parse(content, { maxAliasCount: 100, logLevel: "error" });
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

/** Istio's mesh-wide configuration, if its ConfigMap was read. */
function meshConfig(snapshot: ClusterSnapshot): Json {
  const map = snapshot
    .all("ConfigMap")
    .find(({ name, body }) => /^istio(-|$)/.test(name) && at(body, "data", "mesh") !== undefined);
  return parsedYaml(text(at(map?.body, "data", "mesh")));
}

function hasLinkerdSidecar(workload: Workload, snapshot: ClusterSnapshot): boolean {
  const asked = text(workload.podAnnotations["linkerd.io/inject"]);
  if (asked !== undefined) return asked !== "disabled";
  const namespace = snapshot
    .all("Namespace", "")
    .find(({ name }) => name === workload.object.namespace);
  const inherited = text(at(namespace?.body, "metadata", "annotations", "linkerd.io/inject"));
  return (
    [...workload.containers, ...workload.initContainers].some(
      ({ name }) => name === "linkerd-proxy",
    ) || (inherited ?? "disabled") !== "disabled"
  );
}

const LINKERD_GRACE = "config.linkerd.io/shutdown-grace-period";
const LINKERD_WAIT = "config.alpha.linkerd.io/proxy-wait-before-exit-seconds";

function linkerdSidecar(workload: Workload): NetworkHop {
  const annotations = workload.podAnnotations;
  const hop: NetworkHop = { kind: "sidecar", name: "linkerd-proxy" };
  const native =
    [
      "config.beta.linkerd.io/proxy-enable-native-sidecar",
      "config.linkerd.io/proxy-enable-native-sidecar",
    ].some((key) => text(annotations[key]) === "true") ||
    workload.initContainers.some(({ name }) => name === "linkerd-proxy");
  if (native) return hop;
  const grace = durationSeconds(annotations[LINKERD_GRACE]);
  const wait = number(annotations[LINKERD_WAIT]) ?? 0;
  const drain: Knob = {
    value: (grace ?? 120) + wait,
    set: grace !== undefined || wait > 0,
    name: "shutdown-grace-period",
    object: workload.object,
    path: ["spec", "template", "metadata", "annotations", LINKERD_GRACE],
    patch: (seconds) =>
      podAnnotationPatch(workload, { [LINKERD_GRACE]: `${Math.max(0, seconds - wait)}s` }),
  };
  return { ...hop, drain, drainFrom: "deletion" };
}

/** Whether a host of Istio's configuration means the Service. */
function meansService(host: string | undefined, from: KubeObject, service: KubeObject): boolean {
  const [name, namespace] = (host ?? "").split(".");
  return name === service.name && sameNamespace(namespace ?? from.namespace, service.namespace);
}

export function virtualServicesOf(
  workload: Workload,
  snapshot: ClusterSnapshot,
): readonly KubeObject[] {
  return snapshot.all("VirtualService", "networking.istio.io").filter((virtual) => {
    const routes = ["http", "tcp", "tls"]
      .flatMap((protocol) => list(at(virtual.body, "spec", protocol)))
      .flatMap((route) => list(at(route, "route")));
    const hosts = routes.map((route) => text(at(route, "destination", "host")));
    return workload.services.some((service) =>
      hosts.some((host) => meansService(host, virtual, service)),
    );
  });
}

export function destinationRulesOf(
  workload: Workload,
  snapshot: ClusterSnapshot,
): readonly KubeObject[] {
  return snapshot
    .all("DestinationRule", "networking.istio.io")
    .filter((rule) =>
      workload.services.some((service) =>
        meansService(text(at(rule.body, "spec", "host")), rule, service),
      ),
    );
}

/**
 * Istio's gateways in front of a VirtualService. Their drain is known if their Deployment was read.
 */
export function istioGatewayHops(
  virtual: KubeObject,
  snapshot: ClusterSnapshot,
): readonly NetworkHop[] {
  return list(at(virtual.body, "spec", "gateways")).flatMap((reference): readonly NetworkHop[] => {
    const full = text(reference) ?? "";
    if (full === "mesh" || full === "") return [];
    const name = full.split("/").at(-1) ?? full;
    const gateway = snapshot.all("Gateway", "networking.istio.io").find((one) => one.name === name);
    const before = frontsSelecting(record(at(gateway?.body, "spec", "selector")), snapshot);
    const hop: NetworkHop = { kind: "gateway", name: `Gateway ${name} (Istio)`, before };
    const pods = snapshot
      .all("Deployment", "apps")
      .find((one) =>
        picks(
          at(gateway?.body, "spec", "selector"),
          record(at(one.body, "spec", "template", "metadata", "labels")),
        ),
      );
    return [
      pods === undefined
        ? hop
        : { ...hop, drain: gatewayDrain(pods, snapshot), drainFrom: "sigterm" },
    ];
  });
}

function gatewayDrain(pods: KubeObject, snapshot: ClusterSnapshot): Knob {
  const path = ["spec", "template", "metadata", "annotations", PROXY_CONFIG];
  const config = proxyConfig(at(pods.body, ...path));
  const found =
    durationSeconds(at(config, "terminationDrainDuration")) ??
    durationSeconds(at(meshConfig(snapshot), "defaultConfig", "terminationDrainDuration"));
  return {
    value: found ?? 5,
    set: found !== undefined,
    name: "terminationDrainDuration",
    object: pods,
    path,
    patch: (seconds) =>
      patchAt(pods, path, JSON.stringify({ ...config, terminationDrainDuration: `${seconds}s` })),
  };
}

/** The limits of a DestinationRule; Istio's own default is no limit. */
export function destinationRuleHop(rule: KubeObject): NetworkHop {
  const base = ["spec", "trafficPolicy", "connectionPool"];
  const fields = [
    ["tcp", "maxConnections"],
    ["http", "http2MaxRequests"],
  ];
  const limits = fields.flatMap((field) => number(at(rule.body, ...base, ...field)) ?? []);
  const hop: NetworkHop = { kind: "policy", name: `DestinationRule ${rule.name}` };
  if (limits.length === 0) return hop;
  const connections: Knob = {
    value: Math.min(...limits),
    set: true,
    name: "connectionPool.tcp.maxConnections, http.http2MaxRequests",
    object: rule,
    path: base,
    patch: (value) =>
      patchAt(rule, base, { tcp: { maxConnections: value }, http: { http2MaxRequests: value } }),
  };
  return { ...hop, connections };
}

const KNATIVE_TIMEOUT_SECONDS = 300;

/**
 * A revision of Knative ends a request, and a WebSocket is one, after its timeout. No patch: 600 s
 * is the most that it takes.
 */
export function knativeHop(workload: Workload): NetworkHop {
  const found = number(workload.podSpec.timeoutSeconds);
  const lifetime: Knob = {
    value: found ?? KNATIVE_TIMEOUT_SECONDS,
    set: found !== undefined,
    name: "timeoutSeconds",
    object: workload.object,
    path: [...workload.podPath, "timeoutSeconds"],
  };
  return { kind: "gateway", name: "Knative", product: "knative", lifetime };
}
