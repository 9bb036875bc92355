// Owns: the steps in which machines, the operator or Kubernetes itself go away.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../prove-error.ts";
import type { SetSample } from "../operator-figures.ts";
import {
  type ClusterStage,
  type ClusterStep,
  newTemplate,
  patchSpec,
  RELEASE_MS,
  ROLLING,
  released,
} from "./cluster-step.ts";

const CRDS = join(import.meta.dir, "../../../../deploy/operator/crds");
const AWAY_SECONDS = 30;
const LEASE = "holdfast-operator";
const LEADS_MS = 60_000;
/** Of a lease whose holder lives. */
const RENEWED_MS = 15_000;

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

/** Each costs the time of a lease, in which nobody leads. */
const KILLS_MAX = 12;
const KILLED_MS = 600_000;

export const operatorKilled: ClusterStep = {
  ...common,
  name: "operator-killed",
  title: "The leading operator is killed (SIGKILL) at every step of a release",
  timeLimitMs: KILLED_MS,
  async run(stage) {
    const { watch } = stage;
    await patchSpec(stage, { ...newTemplate(), release: ROLLING });
    const seen = new Set<string>();
    for (const deadlineMs = Date.now() + KILLED_MS / 2; seen.size < KILLS_MAX; ) {
      const found = await watch.until(
        "something is done that no operator was killed in",
        (one) => isOver(one) || !seen.has(matterOf(one)),
        deadlineMs - Date.now(),
      );
      if (isOver(found)) break;
      seen.add(matterOf(found));
      const pod = await leader(stage);
      await killProcess(stage, pod);
      stage.mark(`killed: ${found.message}`);
      // A container that is killed again and again would start later each time.
      await stage.rt.kubectl("delete", "pod", pod, "--grace-period=0", "--force");
      await eventually("another operator leads", () => hasNewLeader(stage, pod), {
        timeoutMs: LEADS_MS,
        everyMs: 500,
      });
    }
    await released(stage);
    for (const matter of seen) stage.note(`killed at: ${matter}`);
  },
};

/** What is done, to whichever pod. */
function matterOf({ message, release }: Pick<SetSample, "message" | "release">): string {
  const done = message
    .split(/(?<=\.) /)
    .filter((text) => !/waits? for|of revision|more\.$/.test(text));
  const text = done.join(" ").replaceAll(/rt-holdfast-[a-z0-9-]+/g, "a pod");
  return `${release?.phase ?? "before"}: ${text.replaceAll(/\d+/g, "some")}`;
}

const isOver = ({ release, isSeen, stable, updated }: SetSample): boolean =>
  isSeen && release === undefined && stable === updated;

const leader = async ({ rt }: ClusterStage): Promise<string> =>
  (await rt.kubectl("get", "lease", LEASE, "-o", "jsonpath={.spec.holderIdentity}")).split(
    "_",
  )[0] ?? "";

/** The killed one may have renewed its lease in its last moment. */
const hasNewLeader = async (stage: ClusterStage, killed: string): Promise<boolean> =>
  !["", killed].includes(await leader(stage));

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

const SECOND = "second-operator";

/**
 * The same ServiceAccount and the same Secret, but another Lease. So both lead: what is left are
 * the versions of objects and the tokens of orders.
 */
export const secondOperator: ClusterStep = {
  ...common,
  name: "second-operator",
  title: "A second operator that leads too: another lease, by mistake",
  async run(stage) {
    const { rt } = stage;
    const one = JSON.parse(await rt.kubectl("get", "deployment", LEASE, "-o", "json")) as unknown;
    try {
      for (const object of [...leaseRights(), doubleOf(one as Deployment)]) await rt.create(object);
      await rt.kubectl("rollout", "status", `deployment/${SECOND}`, "--timeout=120s");
      await eventually("the second operator leads", () => leads(stage, SECOND), {
        timeoutMs: LEADS_MS,
        everyMs: 500,
      });
      stage.mark("two operators lead");
      await patchSpec(stage, { ...newTemplate(), release: ROLLING });
      await released(stage);
      const both = (await leads(stage, SECOND)) && (await leads(stage, LEASE));
      if (!both) stage.fail("one of the two operators did not lead to the end");
      await tellWrites(stage);
    } finally {
      for (const kind of ["deployment", "rolebinding", "role", "lease"])
        await rt.kubectl("delete", kind, SECOND, "--ignore-not-found", "--wait");
    }
  },
};

/** Whether somebody holds the lease, and has renewed it lately. */
async function leads({ rt }: ClusterStage, lease: string): Promise<boolean> {
  const path = "jsonpath={.spec.holderIdentity} {.spec.renewTime}";
  const said = await rt.kubectl("get", "lease", lease, "--ignore-not-found", "-o", path);
  const [holder = "", renewed = ""] = said.split(" ");
  return holder !== "" && Date.now() - Date.parse(renewed) < RENEWED_MS;
}

/** What each operator did, and how often somebody had written first. */
async function tellWrites({ rt, note }: ClusterStage): Promise<void> {
  const selector = "app.kubernetes.io/name=holdfast-operator";
  const names = await rt.kubectl(
    ...["get", "pods", "--selector", selector, "-o", "jsonpath={.items[*].metadata.name}"],
  );
  for (const name of names.split(" ")) {
    const path = `/api/v1/namespaces/prove/pods/${name}:9000/proxy/metrics`;
    const counts = new Map<string, number>();
    for (const line of (await rt.kubectl("get", "--raw", path)).split("\n")) {
      const [, outcome, count] = ACTIONS.exec(line) ?? [];
      if (outcome !== undefined) counts.set(outcome, (counts.get(outcome) ?? 0) + Number(count));
    }
    const told = [...counts].filter(([, count]) => count > 0).map((pair) => pair.join(" "));
    note(`actions of ${name}: ${told.join(", ") || "none"}`);
  }
}
const ACTIONS = /^holdfast_operator_actions_total\{.*outcome="([a-z]+)".*\} (\d+)$/;

interface Deployment {
  readonly metadata: { readonly namespace: string };
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: { readonly containers: readonly [Container] };
    };
  };
}
interface Container {
  readonly env: readonly { readonly name: string }[];
}

function doubleOf({ metadata: { namespace }, spec }: Deployment): unknown {
  const { template } = spec;
  const [container] = template.spec.containers;
  const lease = "HOLDFAST_OPERATOR_LEASE_NAME";
  const env = [
    ...container.env.filter(({ name }) => name !== lease),
    { name: lease, value: SECOND },
  ];
  const labels = { ...template.metadata.labels, "app.kubernetes.io/instance": SECOND };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: SECOND, namespace },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { ...template.spec, containers: [{ ...container, env }] },
      },
    },
  };
}

/** The chart's rights name one lease. */
function leaseRights(): readonly unknown[] {
  const api = "rbac.authorization.k8s.io";
  const metadata = { name: SECOND };
  const verbs = ["get", "watch", "update", "patch"];
  return [
    {
      ...{ apiVersion: `${api}/v1`, kind: "Role", metadata },
      rules: [
        {
          apiGroups: ["coordination.k8s.io"],
          resources: ["leases"],
          resourceNames: [SECOND],
          verbs,
        },
      ],
    },
    {
      ...{ apiVersion: `${api}/v1`, kind: "RoleBinding", metadata },
      roleRef: { apiGroup: api, kind: "Role", name: SECOND },
      subjects: [{ kind: "ServiceAccount", name: LEASE }],
    },
  ];
}

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
