// Checks on a real cluster, under load, that a Deployment becomes a RealtimeSet and one again, as
// docs/operations/changes.md says: nobody is cut, and on the way there no pod restarts.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { eventually } from "@holdfast/lab";
import { patience } from "../patience.ts";
import { Installation, isReady, type Values } from "./installation.ts";

setDefaultTimeout(patience(300_000));

const NAMESPACE = "kinds";
const NAME = "rt-holdfast";
const PODS = 3;
const LIMITS = { timeoutMs: patience(120_000), everyMs: 500 };
const OPERATOR_CHART = join(import.meta.dir, "../../deploy/operator/chart");
const CRDS = join(import.meta.dir, "../../deploy/operator/crds");
/** The operator is in the namespace of its set, and sees no other. */
const OPERATED: Values = {
  operator: {
    keySecret: { name: "rt-operator" },
    serviceAccount: { name: "holdfast-operator", namespace: NAMESPACE },
  },
};
let rt: Installation;

/** Who owns the ReplicaSets with pods: kinds, sorted. */
async function owners(): Promise<readonly string[]> {
  const list = await rt.kubectl(
    "get",
    "replicasets",
    "-o",
    "json",
    "-l",
    "app.kubernetes.io/name=holdfast",
  );
  const { items } = JSON.parse(list) as { readonly items: readonly ReplicaSet[] };
  return items
    .filter(({ spec }) => spec.replicas > 0)
    .map(({ metadata }) => metadata.ownerReferences?.[0]?.kind ?? "none")
    .sort();
}

interface ReplicaSet {
  readonly metadata: { readonly ownerReferences?: readonly { readonly kind: string }[] };
  readonly spec: { readonly replicas: number };
}

const ownedBy = (kind: string): Promise<void> =>
  eventually(`one ReplicaSet of ${kind}`, async () => (await owners()).join() === kind, LIMITS);

const refusal = async (values: Values): Promise<string> =>
  await rt.upgrade(values).then(
    () => "",
    (error) => String(error),
  );

beforeAll(async () => {
  rt = await Installation.begin(NAMESPACE);
  await rt.kubectl("apply", "--server-side", "--force-conflicts", "-f", CRDS);
  const key = randomBytes(32).toString("hex");
  const keyHash = `sha256:${createHash("sha256").update(key).digest("hex")}`;
  await rt.kubectl(
    ...["create", "secret", "generic", "rt-operator"],
    ...[`--from-literal=key=${key}`, `--from-literal=keyHash=${keyHash}`],
  );
  const set = ["--set", `namespaces={${NAMESPACE}}`, "--set", "replicas=1"];
  await rt.release(
    "install",
    "op",
    OPERATOR_CHART,
    ...set,
    "--set",
    "crds.install=false",
    "--wait",
  );
});
afterAll(async () => {
  await rt?.release("uninstall", "op");
  await rt?.end();
});

test("pods that do not know the operator are not given to it", async () => {
  expect(await refusal({ ...OPERATED, kind: "RealtimeSet" })).toContain("do not know the operator");
  await rt.step("the operator's key", async () => {
    await rt.upgrade(OPERATED);
    await rt.rolledOut();
    await rt.settled(PODS);
  });
});

test("a Deployment becomes a RealtimeSet, and every pod stays", async () => {
  const before = await rt.podNames();
  const { moves, reconnects } = await rt.step("to a RealtimeSet", async () => {
    expect(await refusal({ ...OPERATED, kind: "RealtimeSet" })).toContain(
      "holdfast.dev/adopt=true",
    );
    const marks = ["helm.sh/resource-policy=keep", "holdfast.dev/adopt=true"];
    await rt.kubectl("annotate", `deployment/${NAME}`, ...marks);
    await rt.upgrade({ ...OPERATED, kind: "RealtimeSet" });
    await ownedBy("RealtimeSet");
    await rt.kubectl("wait", `rts/${NAME}`, "--for=condition=Settled", "--timeout=60s");
  });
  expect(await rt.podNames()).toEqual(before);
  expect([moves, reconnects]).toEqual([0, 0]);
  expect(await rt.succeeds("get", `deployment/${NAME}`)).toBe(false);
});

test("a RealtimeSet becomes a Deployment again, and nobody is cut", async () => {
  await rt.step("to a Deployment", async () => {
    expect(await refusal(OPERATED)).toContain("holdfast.dev/hand-over=true");
    const marks = ["helm.sh/resource-policy=keep", "holdfast.dev/hand-over=true"];
    await rt.kubectl("annotate", `realtimeset/${NAME}`, ...marks);
    await ownedBy("none");
    await rt.upgrade(OPERATED);
    await rt.rolledOut();
    await rt.settled(PODS);
    await ownedBy("Deployment");
    await rt.kubectl("delete", `realtimeset/${NAME}`);
  });
  expect((await rt.pods()).filter(isReady)).toHaveLength(PODS);
  expect(await rt.succeeds("get", "pdb", `${NAME}-protected`)).toBe(false);
});
