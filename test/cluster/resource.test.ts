// Checks that a real API server takes the CRDs, and what it makes of RealtimeSets: every rule
// refuses with its message, defaults are filled in, kubectl scales and explains.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "@holdfast/lab";
import { desiredOf, memoryOf, readSet, revisionOf, statusOf } from "@holdfast/operator/resource";
import { ACCEPTED, NAME_TOO_LONG, REFUSALS, realtimeSet } from "@holdfast/operator/resource-cases";
import { kubectl, kubectlSucceeds } from "../../tools/cluster/control-plane.ts";
import { ensurePrograms, type Programs } from "../../tools/cluster/programs.ts";
import { patience } from "../patience.ts";

setDefaultTimeout(patience(60_000));

const CRDS = join(import.meta.dir, "../../deploy/operator/crds");
const NAMESPACE = "resource";
const folder = mkdtempSync(join(tmpdir(), "holdfast-resource-"));
let programs: Programs;

const kube = (...args: readonly string[]): Promise<string> =>
  kubectl(programs, ["--namespace", NAMESPACE, ...args], { timeoutMs: patience(60_000) });

/** What kubectl says, whether it succeeds or not. */
async function said(...args: readonly string[]): Promise<string> {
  try {
    return await kube(...args);
  } catch (error) {
    return String(error);
  }
}

function file(object: object): string {
  const path = join(folder, `${crypto.randomUUID()}.json`);
  writeFileSync(path, JSON.stringify(object));
  return path;
}

const apply = (object: object, ...more: readonly string[]): Promise<string> =>
  said("apply", "--server-side", "--force-conflicts", "-f", file(object), ...more);

type Json = Readonly<Record<string, unknown>>;
const get = async (...what: readonly string[]): Promise<Json> =>
  JSON.parse(await kube("get", ...what, "-o", "json")) as Json;

beforeAll(async () => {
  programs = await ensurePrograms();
  await kube("apply", "--server-side", "--force-conflicts", "-f", CRDS);
  await kube("wait", "crd/realtimesets.holdfast.dev", "--for=condition=Established");
  await kube("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait");
  await kube("create", "namespace", NAMESPACE);
  await eventually(
    "kubectl knows the short name",
    () => kubectlSucceeds(programs, ["--namespace", NAMESPACE, "get", "rts"]),
    { timeoutMs: patience(30_000), everyMs: 500 },
  );
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await kube("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false");
});

test.each([...REFUSALS, NAME_TOO_LONG].map((one) => [one.name, one] as const))(
  "refused with words: %s",
  async (_, { spec, says, called }) => {
    const answer = await apply(realtimeSet({ ...spec }, called), "--dry-run=server");
    expect(answer).toContain(says);
  },
);

test.each(ACCEPTED.map((one) => [one.name, one] as const))("taken: %s", async (_, { spec }) => {
  expect(await apply(realtimeSet({ ...spec }), "--dry-run=server")).toContain("serverside-applied");
});

test("what is stored is a wish, with the defaults that the reading has", async () => {
  const set = realtimeSet({ replicas: 3 }, "stored");
  await apply(set);
  const stored = readSet(await get("rts", "stored"));
  if (!stored.ok) throw new Error(stored.problems.join());
  const metadata = { ...(set.metadata as Json), namespace: "x", uid: "u", resourceVersion: "1" };
  const plain = readSet({ ...set, metadata });
  if (!plain.ok) throw new Error(plain.problems.join());
  expect(stored.value.spec).toEqual(plain.value.spec);
  expect(desiredOf(stored.value, { revision: "r", replicasNow: 0 }).replicas).toBe(3);
});

test("the selector never changes", async () => {
  await apply(realtimeSet({}, "fixed"));
  const other = { app: "shop", tier: "b" };
  const changed = { selector: { matchLabels: other }, template: { metadata: { labels: other } } };
  expect(await apply(realtimeSet(changed, "fixed"))).toContain("the selector never changes");
});

const STATUS = {
  stable: "bbbbbbbbbb",
  release: { to: "cccccccccc", from: "bbbbbbbbbb", phase: "advancing", step: 1, progress: "p" },
  autoscaling: { replicas: 4, lowSinceMs: 1_700_000_000_000 },
  rejected: ["dddddddddd"],
  condition: "Progressing",
  message: "p1 drains.",
  endsAtMs: 1_700_000_060_000,
} as const;

test("the memory comes back from the API server, and kubectl get shows who is there", async () => {
  await apply(realtimeSet({ replicas: 2 }, "seen"));
  const status = statusOf(STATUS, {
    generation: 1,
    replicas: 3,
    readyReplicas: 2,
    desiredReplicas: 2,
    connections: 700,
    matchLabels: { app: "shop" },
    updatedRevision: "cccccccccc",
    release: { steps: 3, sharePercentWanted: 25, sharePercent: 12.5, connectionMinutes: 40.25 },
    nowMs: 1_700_000_000_000,
  });
  const patch = JSON.stringify({ status });
  await kube("patch", "rts", "seen", "--subresource=status", "--type=merge", "--patch", patch);
  const stored = await get("rts", "seen");
  expect(memoryOf(stored)).toEqual({ ok: true, value: STATUS });
  expect(stored.status).toEqual(JSON.parse(JSON.stringify(status)));
  const [head = "", row = ""] = (await kube("get", "rts", "seen", "-o", "wide")).split("\n");
  const heads = ["NAME", "DESIRED", "READY", "CONNECTIONS", "REVISION", "STATUS", "MESSAGE", "AGE"];
  expect(head.trim().split(/\s+/)).toEqual(heads);
  const cells = ["seen", "2", "2", "700", "cccccccccc", "Progressing", "p1 drains."];
  expect(row.split(/\s{2,}/).slice(0, 7)).toEqual(cells);
});

test("kubectl scale writes the number, and kubectl reads selector and pods by the subresource", async () => {
  await kube("scale", "rts", "seen", "--replicas=5");
  const raw = await kube(
    ...["get", "--raw"],
    `/apis/holdfast.dev/v1alpha1/namespaces/${NAMESPACE}/realtimesets/seen/scale`,
  );
  expect(JSON.parse(raw)).toMatchObject({
    spec: { replicas: 5 },
    status: { replicas: 3, selector: "app=shop" },
  });
  expect(await said("scale", "rts", "seen", "--replicas=1001")).toContain("1000");
});

test("nobody scales by hand what the operator's own autoscaling decides", async () => {
  const auto = { replicas: 2, autoscaling: { minReplicas: 2, maxReplicas: 9 } };
  expect(await apply(realtimeSet(auto, "auto"))).toContain("serverside-applied");
  expect(await said("scale", "rts", "auto", "--replicas=4")).toContain(
    "replicas cannot become 4: spec.autoscaling decides between 2 and 9 pods",
  );
  // Its limits change, and it goes, with the number that stands there.
  const more = { replicas: 2, autoscaling: { minReplicas: 3, maxReplicas: 9 } };
  expect(await apply(realtimeSet(more, "auto"))).toContain("serverside-applied");
  expect(await apply(realtimeSet({ replicas: 4 }, "auto"))).toContain("serverside-applied");
});

test("kubectl explain tells every field", async () => {
  const text = await kube("explain", "rts.spec.release.canary.steps");
  expect(text).toContain("Share of the live connections that the new revision carries.");
  expect(await kube("explain", "rtr.status.steps")).toContain("connectionMinutes");
});

test("a release's record is written, shown, and never becomes another one", async () => {
  const spec = { set: "seen", from: "bbbbbbbbbb", to: "cccccccccc", strategy: "Canary" };
  const record = {
    apiVersion: "holdfast.dev/v1alpha1",
    kind: "RealtimeRelease",
    metadata: { name: "seen-1" },
    spec,
  };
  await apply(record);
  const status = JSON.stringify({ status: { phase: "Done", step: 2, steps: [] } });
  await kube("patch", "rtr", "seen-1", "--subresource=status", "--type=merge", "--patch", status);
  const [, row = ""] = (await kube("get", "rtr")).split("\n");
  expect(row.split(/\s+/).slice(0, 6)).toEqual([
    ...["seen-1", "seen", "bbbbbbbbbb", "cccccccccc", "Done", "2"],
  ]);
  const other = { ...record, spec: { ...spec, to: "dddddddddd" } };
  expect(await apply(other)).toContain("what a release is about never changes");
});

test("a template that a Deployment's ReplicaSet has is the same revision", async () => {
  const template = {
    metadata: { labels: { app: "adopted" } },
    spec: {
      serviceAccountName: "default",
      containers: [
        {
          name: "holdfast",
          image: "registry.local/holdfast:1",
          ports: [{ name: "public", containerPort: 8000 }],
          env: [{ name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
          envFrom: [],
          resources: { requests: { cpu: "1500m", memory: "1024Mi" }, limits: { cpu: "2.0" } },
          readinessProbe: { httpGet: { path: "/readyz", port: 9000 } },
          livenessProbe: { tcpSocket: { port: 9000 }, periodSeconds: 5 },
          startupProbe: { exec: { command: ["true"] } },
          lifecycle: { preStop: { sleep: { seconds: 1 } } },
          securityContext: {},
          volumeMounts: [{ name: "config", mountPath: "/etc/holdfast" }],
        },
      ],
      initContainers: [{ name: "first", image: "registry.local/first" }],
      volumes: [
        { name: "config", configMap: { name: "shop" } },
        { name: "secret", secret: { secretName: "shop" } },
        { name: "tmp", emptyDir: {} },
        {
          name: "token",
          projected: { sources: [{ serviceAccountToken: { path: "token" } }] },
        },
        {
          name: "labels",
          downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] },
        },
      ],
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: "kubernetes.io/hostname",
          whenUnsatisfiable: "ScheduleAnyway",
          labelSelector: { matchLabels: { app: "adopted" } },
        },
      ],
    },
  };
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "adopted" },
    spec: { replicas: 0, selector: { matchLabels: { app: "adopted" } }, template },
  };
  await apply(deployment);
  let list: readonly { readonly spec: Json }[] = [];
  await eventually(
    "the Deployment's ReplicaSet is there",
    async () => {
      const found = await get("replicasets", "--selector", "app=adopted");
      list = found.items as typeof list;
      return list.length === 1;
    },
    { timeoutMs: patience(30_000), everyMs: 500 },
  );
  expect(revisionOf(list[0]?.spec.template)).toBe(revisionOf(template));
  // As a RealtimeSet stores it, without any of Kubernetes' defaults.
  await apply(realtimeSet({ selector: { matchLabels: { app: "adopted" } }, template }, "adopted"));
  const set = (await get("rts", "adopted")).spec as { readonly template: unknown };
  expect(revisionOf(set.template)).toBe(revisionOf(template));
});
