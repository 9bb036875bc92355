// Owns: what the chart is rendered with in tests: its examples, and combinations of values beside
// them.
import { readdirSync } from "node:fs";
import { CHART, type Source, type Values } from "./helm.ts";

/** The least that renders. */
export const BASE: Values = {
  broker: { url: "redis://redis.data:6379/0" },
  auth: { existingSecret: "holdfast", hmacSecretKey: "hmacSecret" },
  expose: { mode: "none" },
};

export interface Case {
  readonly name: string;
  readonly source: Source;
}

const examples: readonly Case[] = readdirSync(`${CHART}/examples`)
  .toSorted()
  .map((file) => ({
    name: `example-${file.replace(".yaml", "")}`,
    source: { file: `deploy/chart/examples/${file}` },
  }));

const gateway = {
  mode: "gateway",
  hosts: ["rt.example.com"],
  gateway: { parentRefs: [{ name: "public" }] },
};
const ingress = (controller: string) => ({
  expose: {
    mode: "ingress",
    hosts: ["rt.example.com"],
    api: true,
    ingress: { controller, tlsSecret: "rt-tls" },
  },
});

/** A RealtimeSet with the operator's key. */
export const OPERATED: Values = {
  kind: "RealtimeSet",
  operator: { keySecret: { name: "rt-operator" } },
};

const COMBINATIONS: Readonly<Record<string, Values>> = {
  statefulset: { kind: "StatefulSet", replicas: 3 },
  "ready-for-the-operator": { operator: { keySecret: { name: "rt-operator" } } },
  realtimeset: OPERATED,
  "realtimeset-canary-and-own-loop": {
    ...OPERATED,
    operator: {
      keySecret: { name: "rt-operator", key: "apiKey", hashKey: "apiKeyHash" },
      serviceAccount: { name: "op", namespace: "ops" },
      release: {
        strategy: "Canary",
        warmSeconds: 30,
        canary: { steps: [{ sharePercent: 5, untilPromoted: true }, { sharePercent: 50 }] },
        analysis: { connectionMinutesMax: 5_000_000 },
      },
    },
    autoscaling: { mode: "operator", minReplicas: 3, maxReplicas: 30 },
    networkPolicy: { clients: [{ podSelector: {} }] },
    tls: { existingSecret: "rt-tls" },
    config: {
      basePath: "/live",
      apiKeys: [{ name: "back-end", keyHash: `sha256:${"0".repeat(64)}`, scopes: ["publish"] }],
    },
  },
  "realtimeset-keda": {
    ...OPERATED,
    autoscaling: { mode: "keda", keda: { serverAddress: "http://prometheus:9090" } },
  },
  "realtimeset-hpa": {
    ...OPERATED,
    autoscaling: { mode: "hpa-pods" },
    expose: { mode: "loadBalancer" },
  },
  "mqtt-over-tcp": {
    config: { mqtt: { transports: ["tcp", "tls", "websocket"], port: 11883 } },
    expose: { mode: "loadBalancer" },
    networkPolicy: { clients: [{ ipBlock: { cidr: "10.0.0.0/8" } }] },
    tls: { existingSecret: "rt-tls" },
  },
  "one-pod-in-memory": {
    replicas: 1,
    broker: { mode: "memory", url: "" },
    auth: { existingSecret: "", hmacSecretKey: "" },
    config: { auth: { insecure: true } },
  },
  "few-connections": {
    connections: { perPod: 50, handshakesPerSecond: 10 },
    drain: { maxSeconds: 40 },
  },
  hurried: { connections: { perPod: 20_000 } },
  "pre-stop-and-balancer": {
    drain: { maxSeconds: 180, preStopSeconds: 20 },
    expose: { mode: "none", deregistrationSeconds: 90 },
  },
  "pinned-drain": {
    drain: { maxSeconds: 120, preDelaySeconds: 0, windowSeconds: 100, graceSeconds: 200 },
  },
  "long-grace-acknowledged": { drain: { maxSeconds: 900, acknowledgeLongGrace: true } },
  "image-by-digest": { image: { digest: `sha256:${"0".repeat(64)}`, pullSecrets: ["registry"] } },
  "resources-overridden": {
    resources: {
      override: { requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "2", memory: "2Gi" } },
    },
    autoscaling: { mode: "hpa-external" },
  },
  "hpa-external": { autoscaling: { mode: "hpa-external", behavior: { scaleUpTolerance: "0.02" } } },
  "hpa-pods": {
    autoscaling: {
      mode: "hpa-pods",
      behavior: { scaleDownPeriodSeconds: 300, scaleDownStabilizationSeconds: 0 },
    },
  },
  "gateway-with-api": { expose: { ...gateway, api: true } },
  "ingest-from-outside": {
    expose: { ...gateway, ingest: true },
    mesh: { istio: { enabled: true, virtualService: { enabled: true } } },
  },
  "base-path-at-a-gateway": {
    expose: { ...gateway, api: true },
    mesh: { istio: { enabled: true, virtualService: { enabled: true } } },
    config: { basePath: "/realtime" },
  },
  "base-path-at-an-ingress": { ...ingress("nginx"), config: { basePath: "/real/time" } },
  "secrets-while-rotating": {
    auth: {
      existingSecret: "holdfast",
      hmacSecretKey: "hmacSecret",
      hmacSecretOtherKey: "hmacSecretOld",
      resumeSecretOtherKey: "resumeSecretNew",
    },
  },
  "gateway-made-plain": {
    expose: { mode: "gateway", gateway: { create: { enabled: true, className: "any" } } },
  },
  "ingress-nginx": ingress("nginx"),
  "ingress-haproxy": ingress("haproxy"),
  "ingress-haproxytech": ingress("haproxytech"),
  "ingress-traefik": ingress("traefik"),
  "ingress-alb": ingress("alb"),
  "load-balancer-cluster": {
    expose: {
      mode: "loadBalancer",
      loadBalancer: { externalTrafficPolicy: "Cluster", sourceRanges: ["10.0.0.0/8"] },
    },
  },
  "tls-at-the-node": {
    tls: { existingSecret: "rt-tls" },
    test: { tokenSecret: { name: "probe" } },
  },
  "istio-classic-sidecar": { mesh: { istio: { enabled: true, nativeSidecar: false } } },
  "envoy-gateway-shared": {
    expose: gateway,
    mesh: { envoyGateway: { enabled: true, drainSeconds: 300 } },
  },
  linkerd: { mesh: { linkerd: { enabled: true } } },
  "valkey-with-volume": {
    broker: {
      mode: "valkey",
      url: "",
      valkey: {
        existingSecret: { name: "holdfast" },
        persistence: { enabled: true, storageClassName: "fast" },
      },
    },
  },
  "monitored-by-service": {
    monitoring: {
      scrape: "ServiceMonitor",
      rules: true,
      dashboards: { enabled: true },
      labels: { release: "prometheus" },
    },
  },
  "everything-off": {
    podDisruptionBudget: { enabled: false },
    networkPolicy: { enabled: false },
    serviceAccount: { create: false },
    scheduling: { spread: false },
  },
  "names-and-extras": {
    fullnameOverride: "a-name-that-is-longer-than-the-forty-characters-it-may-have",
    labels: { team: "realtime" },
    podAnnotations: { example: "yes" },
    podLabels: { tier: "edge" },
    extraEnv: [{ name: "TZ", value: "UTC" }],
    extraVolumes: [{ name: "extra", emptyDir: {} }],
    extraVolumeMounts: [{ name: "extra", mountPath: "/extra" }],
    scheduling: {
      priorityClassName: "high",
      nodeSelector: { disk: "ssd" },
      tolerations: [{ operator: "Exists" }],
      affinity: { nodeAffinity: {} },
    },
  },
};

export const CASES: readonly Case[] = [
  { name: "base", source: { values: BASE } },
  ...examples,
  ...Object.entries(COMBINATIONS).map(
    ([name, values]): Case => ({ name, source: { values: merged(BASE, values) } }),
  ),
];

/** Maps are merged, everything else is replaced, as helm does. */
export function merged(base: Values, over: Values): Values {
  const entries = Object.entries(over).map(([key, value]) => {
    const below = base[key];
    return [key, isMap(below) && isMap(value) ? merged(below, value) : value] as const;
  });
  return { ...base, ...Object.fromEntries(entries) };
}

function isMap(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
