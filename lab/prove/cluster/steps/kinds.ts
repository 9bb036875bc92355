// Owns: the steps in which the set itself goes, and in which a Deployment takes its place.
import { NAME } from "../../../cluster/installation.ts";
import { eventually } from "../../prove-error.ts";
import { type ClusterStage, type ClusterStep, isSettled, SET } from "./cluster-step.ts";

const LIMIT_MS = 300_000;
const PODS = 3;
const LET_GO_MS = 60_000;
const DEPLOYMENT = `deployment/${NAME}`;

const common = { kind: "other", mayLoseData: false, timeLimitMs: LIMIT_MS } as const;

const settled = (stage: ClusterStage) =>
  stage.watch.until(
    "the set is settled",
    (one) => isSettled(one) && one.ready === PODS && one.pods === PODS,
    LIMIT_MS,
  );

/** The values of helm beside which the template is the one that runs. */
async function sameTemplate({ rt }: ClusterStage): Promise<Readonly<Record<string, unknown>>> {
  const path = "jsonpath={.spec.template.metadata.annotations.prove/release}";
  const release = await rt.kubectl("get", SET, "-o", path);
  return release === "" ? {} : { podAnnotations: { "prove/release": release } };
}

async function owners({ rt }: ClusterStage): Promise<string> {
  const list = await rt.kubectl(
    ...["get", "replicasets", "-l", "app.kubernetes.io/name=holdfast", "-o", "json"],
  );
  const { items } = JSON.parse(list) as { readonly items: readonly ReplicaSet[] };
  const kinds = items
    .filter(({ spec }) => spec.replicas > 0)
    .map(({ metadata }) => metadata.ownerReferences?.[0]?.kind ?? "none");
  return [...new Set(kinds)].sort().join();
}

interface ReplicaSet {
  readonly metadata: { readonly ownerReferences?: readonly { readonly kind: string }[] };
  readonly spec: { readonly replicas: number };
}

const ownedBy = (stage: ClusterStage, kind: string): Promise<void> =>
  eventually(`the pods are of ${kind}`, async () => (await owners(stage)) === kind, {
    ...{ timeoutMs: LET_GO_MS, everyMs: 500 },
  });

/** From a set to a Deployment with the same pods, and back. */
export const toDeploymentAndBack: ClusterStep = {
  ...common,
  name: "to-deployment-and-back",
  title: "RealtimeSet, handed over, to a Deployment, and back to a RealtimeSet",
  isDrain: true,
  async run(stage) {
    const { rt } = stage;
    const before = await rt.podNames();
    const values = { ...stage.values, ...(await sameTemplate(stage)) };
    const force = ["--force-conflicts"];
    const keep = "helm.sh/resource-policy=keep";
    await rt.kubectl("annotate", SET, keep, "holdfast.dev/hand-over=true");
    await ownedBy(stage, "none");
    stage.mark("the set let go");
    await rt.upgrade({ ...values, kind: "Deployment" }, ...force);
    await rt.rolledOut();
    await ownedBy(stage, "Deployment");
    await rt.kubectl("delete", SET);
    stage.mark("a Deployment has the pods");
    await rt.settled(PODS);
    await rt.kubectl("annotate", DEPLOYMENT, keep, "holdfast.dev/adopt=true");
    await rt.upgrade(values, ...force);
    await ownedBy(stage, "RealtimeSet");
    await settled(stage);
    stage.mark("a RealtimeSet has the pods");
    const after = await rt.podNames();
    const stayed = after.filter((name) => before.includes(name)).length;
    stage.note(`${stayed} of ${before.length} pods stayed`);
    if (stayed < before.length) stage.fail(`${before.length - stayed} pods were replaced`);
  },
};

/** Without hand-over Kubernetes removes the pods with the set: nobody drains into anything. */
export const deleted: ClusterStep = {
  ...common,
  name: "deleted",
  title: "RealtimeSet deleted without hand-over, and made again",
  isDrain: false,
  async run(stage) {
    const { rt } = stage;
    const set = JSON.parse(await rt.kubectl("get", SET, "-o", "json")) as Manifest;
    const { name, namespace, labels, annotations } = set.metadata;
    const again = { ...set, metadata: { name, namespace, labels, annotations }, status: undefined };
    await rt.kubectl("delete", SET, "--wait=false");
    stage.mark("deleted");
    await eventually(
      "every pod ends",
      async () => (await rt.pods()).every((pod) => pod.metadata.deletionTimestamp !== undefined),
      { timeoutMs: LET_GO_MS, everyMs: 500 },
    );
    await rt.create(again);
    stage.mark("made again");
    await settled(stage);
    await rt.settled(PODS);
  },
};

interface Manifest {
  readonly metadata: Readonly<Record<string, unknown>>;
}
