// Checks that KEDA scales a RealtimeSet on a real Kubernetes: its own operator and metrics adapter,
// the operator's external scaler, the ScaledObject of the documents, and clients that must not
// notice. Run by `npm run test:cluster -- --keda` alone.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Crowd, eventually } from "@holdfast/lab";
import { PAUSE_IMAGE } from "../../tools/cluster/node.ts";
import { Installation, type Values } from "../cluster/installation.ts";
import { setOperator } from "../cluster/set-operator.ts";
import { patience } from "../patience.ts";

setDefaultTimeout(patience(240_000));

const ROOT = join(import.meta.dir, "../..");
const NAMESPACE = "scaled";
const SET = "rt-holdfast";
/** Each pod is meant to carry 80: a fifth stays free. */
const PER_POD = 100;
/** 120 clients need two pods, and one more may die. */
const CALM = 3;
/** These carry 120 as well, if none dies. */
const FEWEST = 2;
/** 200 more clients need four, and one more. */
const SPIKE_CLIENTS = 200;
const BUSY = 5;

const folder = mkdtempSync(join(tmpdir(), "holdfast-keda-"));
let rt: Installation;
let spike: Crowd | undefined;

const get = (kind: string, name: string, path: string): Promise<string> =>
  rt.kubectl("get", kind, name, "-o", `jsonpath={${path}}`);
const replicas = async (): Promise<number> => Number(await get("rts", SET, ".spec.replicas"));

/** Resolves when somebody has written this number of pods. */
const wished = (count: number): Promise<void> =>
  eventually(`${count} pods are wished`, async () => (await replicas()) === count, {
    ...{ timeoutMs: patience(120_000), everyMs: 500 },
  });

/** The ScaledObject that people copy, for this namespace, and with less patience. */
function documented(): Record<string, unknown> {
  const page = readFileSync(join(ROOT, "docs/operations/operator.md"), "utf8");
  const [, text = ""] = /<!-- scaledobject:.*?-->\s*```yaml\n(.*?)```/s.exec(page) ?? [];
  const object = Bun.YAML.parse(text.replaceAll(/^ {3}/gm, "")) as {
    metadata: { namespace: string };
    spec: { triggers: { metadata: { scalerAddress: string } }[] };
  };
  object.metadata.namespace = NAMESPACE;
  for (const { metadata } of object.spec.triggers)
    metadata.scalerAddress = metadata.scalerAddress.replace("holdfast-system", NAMESPACE);
  const scaleDown = { stabilizationWindowSeconds: 5 };
  const advanced = { horizontalPodAutoscalerConfig: { behavior: { scaleDown } } };
  return { ...object, spec: { ...object.spec, pollingInterval: 5, advanced } };
}

const OPERATOR = setOperator(NAMESPACE, "scaler.enabled=true");
const VALUES: Values = {
  ...OPERATOR.values,
  replicas: 2,
  connections: { perPod: PER_POD, handshakesPerSecond: 100, deliveriesPerSecond: 500 },
};

beforeAll(async () => {
  rt = await Installation.begin(NAMESPACE, { ...OPERATOR, values: VALUES });
});
afterAll(async () => {
  await spike?.end();
  await rt?.kubectl("delete", "scaledobject,hpa", "--all", "--wait", "--ignore-not-found");
  await rt?.end();
  rmSync(folder, { recursive: true, force: true });
});

test("the ScaledObject of the documents brings the pods that the set needs", async () => {
  await rt.step("KEDA begins", async () => {
    await rt.create(documented());
    await wished(CALM);
    await rt.settled(CALM);
  });
  await rt.kubectl("wait", "scaledobject/rt", "--for=condition=Ready", "--timeout=60s");
});

test("a spike of people brings more pods, by KEDA's autoscaler", async () => {
  await rt.step("spike", async () => {
    spike = new Crowd({
      size: { clients: SPIKE_CLIENTS, channels: 30, seed: 11 },
      workers: 1,
      rival: "holdfast",
      connectsPerSecond: 40,
      publishesPerSecond: 1,
    });
    await spike.start(await rt.url());
    await wished(BUSY);
    await rt.settled(BUSY);
  });
});

test("an operator that is killed leaves the number as it is, and the next one answers", async () => {
  const seen = new Set<number>();
  await rt.step("leader killed", async () => {
    const before = await leader();
    await rt.kubectl("delete", "pod", before, "--grace-period=0", "--force");
    await eventually(
      "another operator has told KEDA the number",
      async () => {
        seen.add(await replicas());
        const now = await leader();
        return now !== before && now !== "" && (await hasAnswered(now));
      },
      { timeoutMs: patience(120_000), everyMs: 500 },
    );
    seen.add(await replicas());
  });
  expect([...seen]).toEqual([BUSY]);
});

test("a GitOps tool that writes the number is named beside the autoscaler, and nobody is cut", async () => {
  await rt.step("two owners", async () => {
    await apply(2);
    await wished(BUSY);
    await rt.settled(BUSY);
  });
  await eventually(
    "people are told of both owners",
    async () => {
      const told = await rt.kubectl("get", "events", "-o", "jsonpath={.items[*].message}");
      return /Two owners of spec.replicas: gitops wrote 2, and \S+ wrote 5 again/.test(told);
    },
    { timeoutMs: patience(30_000), everyMs: 500 },
  );
});

test("when people go, KEDA asks for fewer pods, and they are emptied first", async () => {
  await rt.step("fall", async () => {
    await spike?.end();
    spike = undefined;
    await wished(CALM);
    await rt.settled(CALM);
  });
});

test("a pod that KEDA takes away with people on it is emptied first", async () => {
  const { moves } = await rt.step("lower limit", async () => {
    const patch = JSON.stringify({ spec: { maxReplicaCount: FEWEST } });
    await rt.kubectl("patch", "scaledobject", "rt", "--type=merge", "-p", patch);
    await wished(FEWEST);
    await rt.settled(FEWEST);
  });
  expect(moves).toBeGreaterThan(0);
});

test("a set with its own autoscaling is refused to KEDA, and keeps its number", async () => {
  const autoscaling = { minReplicas: FEWEST, maxReplicas: FEWEST };
  const patch = JSON.stringify({ spec: { autoscaling } });
  await rt.kubectl("patch", "rts", SET, "--type=merge", "-p", patch);
  const says = async (): Promise<string> =>
    await rt.kubectl("logs", "deployment/keda-operator", "--namespace", "keda", "--since=60s");
  await eventually(
    "KEDA is told that there are two owners",
    async () => (await says()).includes(`expected none: replicas would have two owners`),
    { timeoutMs: patience(60_000), everyMs: 1000 },
  );
  expect(await replicas()).toBe(FEWEST);
  await rt.kubectl("patch", "rts", SET, "--type=json", "-p", REMOVE_AUTOSCALING);
});

test("a HorizontalPodAutoscaler of one's own scales by KEDA's metric", async () => {
  const scaleTargetRef = { apiVersion: "holdfast.dev/v1alpha1", kind: "RealtimeSet", name: SET };
  const { spec, ...object } = documented() as { spec: Record<string, unknown> };
  await rt.kubectl("delete", "scaledobject", "rt", "--wait");
  // Somebody must ask for the metric; it scales a workload that does not matter.
  await rt.create(FOLLOWER);
  const target = { apiVersion: "apps/v1", kind: "Deployment", name: "follower" };
  const asking = { ...spec, scaleTargetRef: target, minReplicaCount: 1, maxReplicaCount: 1 };
  await rt.create({ ...object, spec: asking });
  await rt.step("plain HPA", async () => {
    const metric = {
      name: "s0-holdfast-pods",
      selector: { matchLabels: { "scaledobject.keda.sh/name": "rt" } },
    };
    const external = { metric, target: { type: "AverageValue", averageValue: "1" } };
    await rt.create({
      ...{ apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler" },
      metadata: { name: "own" },
      spec: {
        ...{ scaleTargetRef, minReplicas: FEWEST, maxReplicas: 9 },
        metrics: [{ type: "External", external }],
      },
    });
    await wished(CALM);
    await rt.settled(CALM);
  });
});

const REMOVE_AUTOSCALING = JSON.stringify([{ op: "remove", path: "/spec/autoscaling" }]);

const RESTRICTED = {
  runAsNonRoot: true,
  runAsUser: 65535,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};
/** A pod that does nothing, of the image that every node has. */
const FOLLOWER = {
  ...{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "follower" } },
  spec: {
    selector: { matchLabels: { app: "follower" } },
    template: {
      metadata: { labels: { app: "follower" } },
      spec: { containers: [{ name: "pause", image: PAUSE_IMAGE, securityContext: RESTRICTED }] },
    },
  },
};

/** As a GitOps tool does it: the fields of its manifest are its own. */
async function apply(count: number): Promise<void> {
  const file = join(folder, "set.yaml");
  const metadata = { name: SET, namespace: NAMESPACE };
  const kind = { apiVersion: "holdfast.dev/v1alpha1", kind: "RealtimeSet" };
  await Bun.write(file, JSON.stringify({ ...kind, metadata, spec: { replicas: count } }));
  await rt.kubectl(
    ...["apply", "--server-side", "--force-conflicts", "--field-manager=gitops", "-f", file],
  );
}

/** Name of the operator's pod that leads; empty if none does. */
async function leader(): Promise<string> {
  const identity = await get("lease", "holdfast-operator", ".spec.holderIdentity");
  return identity.slice(0, identity.lastIndexOf("_"));
}

/** Whether this operator has told KEDA how many pods the set needs. */
async function hasAnswered(pod: string): Promise<boolean> {
  try {
    const page = await fetch(`http://${await get("pod", pod, ".status.podIP")}:9000/metrics`);
    return /scaler_calls_total\{call="GetMetrics",outcome="answered"\}/.test(await page.text());
  } catch {
    return false;
  }
}
