// Checks a RealtimeSet of a plain application behind gateways on a real Kubernetes: the operator
// moves its clients by the gateways' orders, and nobody is closed.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClusterCommands, eventually } from "@holdfast/lab";
import { ensurePrograms } from "../../tools/cluster/programs.ts";
import { PATHS } from "../../tools/cluster/settings.ts";
import { patience } from "../patience.ts";
import { IMAGE, plainApplication } from "./plain-application.ts";
import { PlainClients } from "./plain-clients.ts";

setDefaultTimeout(patience(180_000));

const CLIENTS = 60;
const PODS = 2;
const NAMESPACE = "gateway-set";
const DEPLOY = join(import.meta.dir, "../../deploy");
const KEY = randomBytes(24).toString("hex");
const HASH = `sha256:${createHash("sha256").update(KEY).digest("hex")}`;
const LIMITS = { timeoutMs: patience(120_000), everyMs: 500 };
/** A frame of each client in so many ms. */
const THINK_MS = 100;

const folder = mkdtempSync(join(tmpdir(), "holdfast-gateway-set-"));
let commands: ClusterCommands;
let clients: PlainClients;

const kubectl = (...args: readonly string[]): Promise<string> =>
  commands.kubectl(["--namespace", NAMESPACE, ...args], { timeoutMs: patience(100_000) });
const helm = (...args: readonly string[]): Promise<string> =>
  commands.helm([...args, "--namespace", NAMESPACE], { timeoutMs: patience(130_000) });
const create = (...objects: readonly object[]): Promise<string> =>
  commands.kubectl(["--namespace", NAMESPACE, "create", "-f", "-"], {
    stdin: JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }),
  });
const status = (path: string): Promise<string> =>
  kubectl("get", "rts", "counter", "-o", `jsonpath={.status${path}}`);

interface Item {
  readonly kind: string;
  readonly spec: {
    readonly template: { readonly metadata: { readonly labels: object }; readonly spec: object };
  };
}

/** The application's pods as a set, and Services of all of them and of those that take clients. */
function realtimeSet(): readonly object[] {
  const { items } = plainApplication({
    ...{ name: "counter", image: IMAGE, replicas: PODS, preStopSeconds: 1 },
  }) as { readonly items: readonly Item[] };
  const deployment = items.find(({ kind }) => kind === "Deployment");
  const labels = { app: "counter", "holdfast.dev/receives": "true" };
  const serviceOf = (name: string, selector: object) => ({
    ...{ apiVersion: "v1", kind: "Service", metadata: { name } },
    spec: { selector, ports: [{ name: "ws", port: 80, targetPort: "ws" }] },
  });
  return [
    ...items.filter(({ kind }) => kind === "ConfigMap"),
    serviceOf("counter-all", { app: "counter" }),
    serviceOf("counter", labels),
    {
      ...{
        apiVersion: "holdfast.dev/v1alpha1",
        kind: "RealtimeSet",
        metadata: { name: "counter" },
      },
      spec: {
        replicas: PODS,
        selector: { matchLabels: { app: "counter" } },
        template: { metadata: { labels }, spec: deployment?.spec.template.spec },
        drain: { maxSeconds: 20, preDelaySeconds: 1 },
        connections: { perPod: 200 },
        dataPlane: {
          kind: "gateway",
          gateway: {
            ...{ service: "gw-gateway-admin", route: "counter", podPort: 7000 },
            keySecret: { name: "operator-key", key: "key" },
          },
        },
      },
    },
  ];
}

/** The operator's chart gives it no Secret. */
function mayReadKey(): readonly object[] {
  const metadata = { name: "operator-key" };
  const group = "rbac.authorization.k8s.io";
  return [
    {
      ...{ apiVersion: `${group}/v1`, kind: "Role", metadata },
      rules: [
        {
          ...{ apiGroups: [""], resources: ["secrets"] },
          ...{ resourceNames: ["operator-key"], verbs: ["get"] },
        },
      ],
    },
    {
      ...{ apiVersion: `${group}/v1`, kind: "RoleBinding", metadata },
      roleRef: { apiGroup: group, kind: "Role", name: "operator-key" },
      subjects: [{ kind: "ServiceAccount", name: "holdfast-operator", namespace: NAMESPACE }],
    },
  ];
}

const GATEWAY_VALUES = {
  replicas: 2,
  minReadySeconds: 0,
  clients: { perPod: 200, handshakesPerSecond: 60 },
  drain: { preDelaySeconds: 1, windowSeconds: 5 },
  resources: {
    ...{ requests: { cpu: "50m", memory: "128Mi" }, limits: { cpu: "1", memory: "512Mi" } },
  },
  networkPolicy: { admin: [{ podSelector: {} }] },
  config: { apiKeys: [{ name: "operator", keyHash: HASH, scopes: ["endpoints", "drain"] }] },
  routes: [
    {
      ...{ name: "counter", path: "/ws", profile: "stateless" },
      service: { kubernetes: { name: "counter-all", port: "ws", receiving: "counter" } },
    },
  ],
};

/** Resolves when nothing of the set is under way, and it has seen the template. */
const settled = (revisionBefore = "") =>
  eventually(
    "the set is settled",
    async () => {
      const [condition, stable, updated, ready] = await Promise.all([
        status(".conditions[?(@.type=='Ready')].status"),
        status(".stableRevision"),
        status(".updatedRevision"),
        status(".readyReplicas"),
      ]);
      return (
        condition === "True" && stable === updated && stable !== revisionBefore && ready === "2"
      );
    },
    LIMITS,
  );

async function carries(count: number): Promise<void> {
  const isCounted = async () => (await status(".connections")) === String(count);
  await eventually(`the status has ${count} connections`, isCounted, LIMITS);
}

beforeAll(async () => {
  const { kubernetes } = await ensurePrograms();
  const { kubeconfig } = PATHS;
  commands = new ClusterCommands({
    kubeconfig,
    kubectl: [kubernetes, "kubectl", "--kubeconfig", kubeconfig],
    helm: process.env.HELM ?? "helm",
  });
  const gone = ["delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait"];
  await commands.kubectl(gone, { timeoutMs: patience(100_000) });
  await commands.kubectl(["create", "namespace", NAMESPACE]);
  const enforced = "pod-security.kubernetes.io/enforce=restricted";
  await commands.kubectl(["label", "namespace", NAMESPACE, enforced]);
  const crds = join(DEPLOY, "operator/crds");
  await kubectl("apply", "--server-side", "--force-conflicts", "-f", crds);
  await kubectl("wait", "crd/realtimesets.holdfast.dev", "--for=condition=Established");
  await kubectl(
    ...["create", "secret", "generic", "operator-key"],
    ...[`--from-literal=key=${KEY}`, `--from-literal=keyHash=${HASH}`],
  );
  await create(...mayReadKey(), ...realtimeSet());
  const values = join(folder, "gateway.json");
  writeFileSync(values, JSON.stringify(GATEWAY_VALUES));
  await helm("install", "gw", join(DEPLOY, "gateway/chart"), "--values", values);
  await helm(
    ...["install", "op", join(DEPLOY, "operator/chart"), "--wait", "--timeout", "120s"],
    ...["--set", `namespaces={${NAMESPACE}},crds.install=false`],
    ...["--set", "networkPolicy.dataPlanePorts={9464}"],
  );
  await kubectl("rollout", "status", "deployment/gw-gateway", "--timeout=90s");
  await settled();
  const path = "jsonpath={.spec.clusterIP}";
  const address = await kubectl("get", "service", "gw-gateway", "-o", path);
  clients = new PlainClients({
    ...{ url: `ws://${address}/ws`, count: CLIENTS },
    ...{ thinkMs: THINK_MS, patienceMs: patience(5000) },
  });
  await clients.start();
});
afterAll(async () => {
  clients?.end();
  rmSync(folder, { recursive: true, force: true });
  // Without its set nothing decides anything about pods that go with the namespace.
  await helm("uninstall", "op", "--ignore-not-found").catch(() => {});
  await commands?.kubectl(
    ["delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false"],
    { timeoutMs: patience(60_000) },
  );
});

test("the set's connections are what the gateways hold", async () => {
  await carries(CLIENTS);
});

test("a rolling release moves each client once, and closes nobody", async () => {
  const before = await status(".stableRevision");
  clients.take();
  const patch = { spec: { template: { metadata: { annotations: { version: "2" } } } } };
  await kubectl("patch", "rts", "counter", "--type=merge", `--patch=${JSON.stringify(patch)}`);
  await settled(before);
  await clients.everybodyAnswered();
  const { closes, unanswered, doubled, moved, waitMsMax } = clients.take();
  console.log(`  rolling release: ${moved} moves, longest wait ${Math.round(waitMsMax)} ms`);
  expect({ closes: closes.map(({ code }) => code), unanswered, doubled }).toEqual({
    ...{ closes: [], unanswered: 0, doubled: 0 },
  });
  // Each once: it goes to pods of the new revision alone.
  expect(moved).toBe(CLIENTS);
});

test("a canary has its share of the clients", async () => {
  const canary = {
    release: {
      strategy: "Canary",
      canary: { steps: [{ sharePercent: 20, untilPromoted: true }] },
      analysis: { connectionMinutesMin: 0, waitSecondsMax: 5 },
    },
    template: { metadata: { annotations: { version: "3" } } },
  };
  await kubectl(
    ...["patch", "rts", "counter", "--type=merge"],
    `--patch=${JSON.stringify({ spec: canary })}`,
  );
  const has = async () => Number(await status(".release.sharePercent")) >= 15;
  await eventually("the canary has a fifth of the clients", has, LIMITS);
  const share = Number(await status(".release.sharePercent"));
  expect(share).toBeLessThanOrEqual(25);
  await clients.everybodyAnswered();
  const { closes, unanswered, doubled } = clients.take();
  expect([closes, unanswered, doubled]).toEqual([[], 0, 0]);
});
