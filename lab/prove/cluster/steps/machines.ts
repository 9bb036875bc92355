// Owns: the steps in which machines, the operator or Kubernetes itself go away.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../prove-error.ts";
import {
  type ClusterStage,
  type ClusterStep,
  newTemplate,
  patchSpec,
  RELEASE_MS,
  ROLLING,
  released,
} from "./cluster-step.ts";

const OPERATOR_CHART = join(import.meta.dir, "../../../../deploy/operator/chart");
const CRDS = join(import.meta.dir, "../../../../deploy/operator/crds");
const AWAY_SECONDS = 30;
const LEASE = "holdfast-operator";
const LEADS_MS = 60_000;

const common = {
  kind: "release",
  isDrain: true,
  mayLoseData: false,
  timeLimitMs: RELEASE_MS,
} as const;

/** A rolling release in the middle of which something happens. */
async function during(
  stage: ClusterStage,
  sharePercent: number,
  happens: () => Promise<unknown>,
): Promise<void> {
  await patchSpec(stage, { ...newTemplate(), release: ROLLING });
  await hasShare(stage, sharePercent);
  await happens();
  await released(stage);
}

const hasShare = (stage: ClusterStage, sharePercent: number) =>
  stage.watch.until(
    "the release has begun",
    ({ release }) => release !== undefined && release.sharePercent >= sharePercent,
    RELEASE_MS,
  );

export const drainMachines: ClusterStep = {
  ...common,
  name: "drain-machines",
  title: "kubectl drain of one machine, then of the other",
  kind: "other",
  timeLimitMs: RELEASE_MS * 2,
  async run(stage) {
    const { rt, watch } = stage;
    const names = await rt.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}");
    for (const machine of names.split(" ")) {
      const had = (await rt.pods()).filter(({ spec }) => spec.nodeName === machine).length;
      const fromMs = Date.now();
      try {
        await rt.kubectl(
          ...["drain", machine, "--ignore-daemonsets", "--delete-emptydir-data"],
          ...["--pod-selector", "app.kubernetes.io/component=node", "--timeout=240s"],
        );
        stage.note(`${machine} with ${had} pods: ${Math.round((Date.now() - fromMs) / 1000)} s`);
        stage.mark(`${machine} is drained`);
        await watch.until(
          "all pods serve on other machines",
          (one) =>
            one.condition === "Settled" && one.pods === one.desired && one.ready === one.pods,
          RELEASE_MS,
        );
      } finally {
        await rt.kubectl("uncordon", machine);
      }
    }
  },
};

export const operatorKilled: ClusterStep = {
  ...common,
  name: "operator-killed",
  title: "The leading operator is killed twice in a release: its pod, then its process in a drain",
  async run(stage) {
    await during(stage, 0, async () => {
      const first = await leader(stage);
      await stage.rt.kubectl("delete", "pod", first, "--grace-period=0", "--force");
      stage.mark(`${first} is deleted`);
      await nextLeader(stage, first);
      await stage.watch.until(
        "a pod drains",
        ({ release }) => (release?.sharePercent ?? 0) > 5,
        RELEASE_MS,
      );
      const second = await leader(stage);
      const before = await renewals(stage);
      await killProcess(stage, second);
      stage.mark(`the process of ${second} is killed`);
      await eventually("an operator leads again", async () => (await renewals(stage)) !== before, {
        timeoutMs: LEADS_MS,
        everyMs: 500,
      });
    });
  },
};

const leader = async ({ rt }: ClusterStage): Promise<string> =>
  (await rt.kubectl("get", "lease", LEASE, "-o", "jsonpath={.spec.holderIdentity}")).split(
    "_",
  )[0] ?? "";

const renewals = ({ rt }: ClusterStage): Promise<string> =>
  rt.kubectl("get", "lease", LEASE, "-o", "jsonpath={.spec.renewTime}");

/** Tells how long nobody led. */
async function nextLeader(stage: ClusterStage, before: string): Promise<void> {
  const fromMs = Date.now();
  await eventually(
    "another operator leads",
    async () => !["", before].includes(await leader(stage)),
    { timeoutMs: LEADS_MS, everyMs: 500 },
  );
  const seconds = ((Date.now() - fromMs) / 1000).toFixed(1);
  stage.note(`another operator led ${seconds} s after the first one's pod was deleted`);
}

/** SIGKILL to the program of a pod of this machine. */
async function killProcess({ rt }: ClusterStage, pod: string): Promise<void> {
  const uid = await rt.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}");
  const names = [uid, uid.replaceAll("-", "_")];
  const ids = readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const group = readFileSync(`/proc/${name}/cgroup`, "utf8");
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8");
      return names.some((one) => group.includes(one)) && command.includes("operator");
    } catch {
      return false; // It ended meanwhile.
    }
  });
  if (ids.length === 0)
    throw new RangeError(`Cannot kill the operator: found no process of ${pod}`);
  for (const id of ids) process.kill(Number(id), "SIGKILL");
}

export const secondOperator: ClusterStep = {
  ...common,
  name: "second-operator",
  title: "A second operator with another lease, by mistake",
  async run(stage) {
    const { rt } = stage;
    const set = ["--set", "namespaces={prove}", "--set", "crds.install=false"];
    const other = ["--set", "nameOverride=second-operator", "--set", "replicas=1"];
    await rt.release("install", "op2", OPERATOR_CHART, ...set, ...other, "--wait");
    stage.mark("the second operator runs");
    try {
      await patchSpec(stage, { ...newTemplate(), release: ROLLING });
      await released(stage);
      const logs = await rt.kubectl(
        ...["logs", "deployment/second-operator", "--tail=400", "--all-containers"],
      );
      const problems = logs.split("\n").filter((line) => /"level":"?(warn|error|40|50)/.test(line));
      stage.note(`the second operator wrote ${problems.length} warnings`);
      for (const line of problems.slice(0, 3)) stage.note(line.slice(0, 300));
    } finally {
      await rt.release("uninstall", "op2", "--wait");
    }
  },
};

export const apiServerAway: ClusterStep = {
  ...common,
  name: "api-server-away",
  title: `The API server is away for ${AWAY_SECONDS} s in a release`,
  run: (stage) =>
    during(stage, 1, async () => {
      stage.mark("the API server is killed");
      await stage.machine("restart", "kube-apiserver", "--after", String(AWAY_SECONDS));
      stage.mark("the API server answers");
    }),
};

export const etcdRestarted: ClusterStep = {
  ...common,
  name: "etcd-restarted",
  title: "etcd is killed and started again in a release",
  run: (stage) =>
    during(stage, 1, async () => {
      stage.mark("etcd is killed");
      await stage.machine("restart", "etcd", "--after", "2");
      stage.mark("etcd runs");
    }),
};

export const crdsAgain: ClusterStep = {
  ...common,
  name: "crds-again",
  title: "The CRDs are applied again in a release",
  run: (stage) =>
    during(stage, 1, async () => {
      await stage.rt.kubectl("apply", "--server-side", "--force-conflicts", "--filename", CRDS);
      stage.mark("the CRDs are applied");
    }),
};
