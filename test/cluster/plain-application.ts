// Owns: an application as any team has it: a plain WebSocket server that knows nothing of Holdfast,
// as a Deployment and a Service. The image is only there for its JavaScript runtime.

/** Of the charts, as the cluster has it. */
export const IMAGE = "ghcr.io/holdfast/holdfast:0.1.0";

/**
 * Echoes each number with the name of its pod. SIGTERM ends it at once, with all its sockets. So
 * does whoever says "crash".
 */
const SERVER = `
const { hostname } = require("node:os");
const pod = hostname();
Bun.serve({
  port: 7000,
  fetch(request, server) {
    if (server.upgrade(request)) return undefined;
    return new Response("ok", { status: new URL(request.url).pathname === "/healthz" ? 200 : 426 });
  },
  websocket: {
    message(socket, text) {
      if (text === "crash") process.exit(1);
      socket.send(JSON.stringify({ n: JSON.parse(text).n, pod }));
    },
  },
});
process.on("SIGTERM", () => process.exit(0));
`;

export interface PlainApplicationOptions {
  readonly name: string;
  readonly image: string;
  readonly replicas: number;
  /** How long a pod serves on after its deletion: the time in which its clients move. */
  readonly preStopSeconds: number;
}

export function plainApplication({
  name,
  image,
  replicas,
  preStopSeconds,
}: PlainApplicationOptions): unknown {
  const labels = { app: name };
  const container = {
    ...{ name: "server", image, imagePullPolicy: "IfNotPresent", args: ["/app/server.js"] },
    // Bun, instead of the program that was compiled with it.
    env: [{ name: "BUN_BE_BUN", value: "1" }],
    ports: [{ name: "ws", containerPort: 7000 }],
    readinessProbe: { httpGet: { path: "/healthz", port: "ws" }, periodSeconds: 1 },
    lifecycle: { preStop: { sleep: { seconds: preStopSeconds } } },
    volumeMounts: [{ name: "app", mountPath: "/app", readOnly: true }],
    securityContext: {
      ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
      capabilities: { drop: ["ALL"] },
    },
  };
  const spec = {
    terminationGracePeriodSeconds: preStopSeconds + 10,
    securityContext: {
      ...{ runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } },
    },
    containers: [container],
    volumes: [{ name: "app", configMap: { name } }],
    topologySpreadConstraints: [
      {
        ...{ maxSkew: 1, topologyKey: "kubernetes.io/hostname" },
        ...{ whenUnsatisfiable: "ScheduleAnyway", labelSelector: { matchLabels: labels } },
        matchLabelKeys: ["pod-template-hash"],
      },
    ],
  };
  const items = [
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { "server.js": SERVER } },
    {
      ...{ apiVersion: "v1", kind: "Service", metadata: { name } },
      spec: { selector: labels, ports: [{ name: "ws", port: 80, targetPort: "ws" }] },
    },
    {
      ...{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name } },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: { metadata: { labels }, spec },
      },
    },
  ];
  return { apiVersion: "v1", kind: "List", items };
}
