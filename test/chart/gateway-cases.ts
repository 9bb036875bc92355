// Owns: what the gateway's chart is rendered with in tests.
import type { Values } from "./helm.ts";

/** A route to a Service of the release's namespace. */
export const GAME = {
  name: "game",
  host: "game.example.com",
  path: "/ws",
  profile: "stateless",
  service: { kubernetes: { name: "game", port: 8080 } },
};
const CHAT = {
  name: "chat",
  profile: { kind: "replay", first: 1 },
  service: { kubernetes: { namespace: "chat", name: "chat", port: "ws" } },
};
/** A route to servers outside of Kubernetes. */
export const OLD = {
  name: "old",
  path: "/old",
  service: { static: ["10.0.0.1:7000", { address: "10.0.0.2:7001", weight: 2 }] },
};
const NAMED = {
  name: "named",
  path: "/named",
  service: { dns: { name: "a.example", port: 9000 } },
};

export const GATEWAY_CASES: Readonly<Record<string, Values>> = {
  base: { routes: [GAME] },
  "two-namespaces": { routes: [GAME, CHAT] },
  "outside-of-kubernetes": { routes: [OLD, NAMED] },
  hpa: { routes: [GAME], autoscaling: { mode: "hpa", minReplicas: 3, maxReplicas: 30 } },
  keda: {
    routes: [GAME],
    autoscaling: { mode: "keda", keda: { serverAddress: "http://prometheus:9090" } },
  },
  "load-balancer-with-tls": {
    routes: [GAME],
    tls: { existingSecret: "game-tls" },
    service: {
      type: "LoadBalancer",
      port: 443,
      sourceRanges: ["10.0.0.0/8"],
      annotations: { a: "b" },
    },
  },
  canary: {
    routes: [
      {
        ...GAME,
        service: { kubernetes: { name: "game", port: 8080, revisionLabel: "pod-template-hash" } },
        cohorts: { weights: { "6b7f": 5 }, key: { cookie: "user" } },
      },
      CHAT,
    ],
  },
  "tls-to-endpoints": {
    routes: [
      {
        ...GAME,
        upstreamTls: {
          ...{ caFile: "/etc/holdfast/secrets/game-ca/ca.crt", serverName: "game.internal" },
          certFile: "/etc/holdfast/secrets/gateway-client/tls.crt",
          keyFile: "/etc/holdfast/secrets/gateway-client/tls.key",
        },
      },
    ],
    tls: { secrets: ["game-ca", "gateway-client"] },
  },
  everything: {
    routes: [GAME, CHAT, OLD],
    replicas: 3,
    image: { digest: `sha256:${"0".repeat(64)}`, pullSecrets: ["registry"] },
    clients: { perPod: 20_000, handshakesPerSecond: 1000 },
    drain: { preDelaySeconds: 30, windowSeconds: 120, graceSeconds: 300 },
    config: {
      limits: { messageBytesMax: 2_097_152 },
      trustedProxies: ["10.0.0.0/8"],
      apiKeys: [{ name: "ops", keyHash: `sha256:${"0".repeat(64)}`, scopes: ["*"] }],
    },
    networkPolicy: {
      clients: [{ podSelector: {} }],
      admin: [{ podSelector: {} }],
      extraEgress: [{ ports: [{ port: 1, protocol: "TCP" }] }],
    },
    podMonitor: { enabled: true, labels: { release: "prometheus" } },
    alerts: {
      ...{ enabled: true, labels: { release: "prometheus" } },
      runbooks: "https://git.example.com/alerts/",
    },
    dashboard: { enabled: true, annotations: { folder: "Holdfast" } },
    scheduling: {
      ...{ priorityClassName: "high", nodeSelector: { disk: "ssd" } },
      tolerations: [{ operator: "Exists" }],
    },
    serviceAccount: { name: "edge-account", annotations: { a: "b" } },
    test: { routes: ["chat"] },
    sockets: { existingSecret: "socket-keys" },
    extraEnv: [{ name: "TZ", value: "UTC" }],
    labels: { team: "realtime" },
    podAnnotations: { example: "yes" },
  },
  "everything-off": {
    routes: [GAME],
    replicas: 1,
    rbac: { create: false },
    networkPolicy: { enabled: false },
    podDisruptionBudget: { maxUnavailable: null },
  },
};
