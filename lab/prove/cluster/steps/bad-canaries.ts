// Owns: the steps in which a newer revision is bad in one way, and must be rolled back by what
// clients felt.
import type { SetSample } from "../operator-figures.ts";
import {
  type ClusterStage,
  type ClusterStep,
  canaryOf,
  newTemplate,
  patchSpec,
  SET,
  SHARE_PERCENT,
} from "./cluster-step.ts";

const LIMIT_MS = 420_000;
/** The canary would go on after it: a bad one that is not found by then is missed. */
const WAIT_SECONDS = 240;

interface Operation {
  readonly op: "add" | "replace";
  readonly path: string;
  readonly value: unknown;
}

const CONTAINER = "/spec/template/spec/containers/0";

/** Does something to the template, and gives the set the one back that it had. */
export async function restored(stage: ClusterStage, act: () => Promise<void>): Promise<void> {
  const { rt, watch } = stage;
  const good = await rt.kubectl("get", SET, "-o", "jsonpath={.spec.template}");
  try {
    await act();
  } finally {
    const back = [{ op: "replace", path: "/spec/template", value: JSON.parse(good) as unknown }];
    await rt.kubectl("patch", SET, "--type=json", `--patch=${JSON.stringify(back)}`);
    await watch.until(
      "the set has its good template",
      (one) => one.isSeen && one.release === undefined && one.stable === one.updated,
      LIMIT_MS,
    );
  }
}

const TURNING = "RollingBack";
const turnsBack = ({ release }: SetSample): boolean => release?.phase === TURNING;

/** Releases the template with these changes, and waits until it is rolled back. */
async function tryBad(stage: ClusterStage, changes: readonly Operation[]): Promise<void> {
  const { rt, watch } = stage;
  const analysis = { connectionMinutesMin: 0, waitSecondsMax: WAIT_SECONDS };
  await patchSpec(stage, { release: canaryOf(analysis) });
  await rt.kubectl("patch", SET, "--type=json", `--patch=${JSON.stringify(changes)}`);
  stage.mark("the bad template");
  const { release } = await watch.until(
    "the bad revision has people, or nobody could come to it",
    (one) => (one.release?.sharePercent ?? 0) > 0 || turnsBack(one),
    LIMIT_MS / 2,
  );
  if (release?.phase !== TURNING) {
    stage.mark(`people are on ${release?.to}`);
    await watch.until("the bad revision is rolled back", turnsBack, LIMIT_MS);
  }
  stage.mark("it turns back");
  await watch.until(
    "everybody is back",
    (one) => one.release === undefined && one.pods === one.desired,
    LIMIT_MS / 2,
  );
}

interface More {
  readonly mayLoseData?: boolean;
  readonly doesHarm?: boolean;
  /** Makes what the template needs. */
  readonly before?: (stage: ClusterStage) => Promise<unknown>;
}

const bad = (
  ...[name, title, changes, more = {}]: readonly [string, string, readonly Operation[], More?]
): ClusterStep => ({
  ...{ name, title, isDrain: false },
  ...{ mayLoseData: more.mayLoseData ?? false, doesHarm: more.doesHarm ?? false },
  kind: "bad",
  timeLimitMs: LIMIT_MS * 2,
  sharePercentMax: SHARE_PERCENT,
  run: (stage) =>
    restored(stage, async () => {
      await more.before?.(stage);
      await tryBad(stage, [...changes, ...marked(name)]);
    }),
});

/** A template of its own each time: what was rolled back is not tried again. */
const marked = (name: string): readonly Operation[] => {
  const { template } = newTemplate() as {
    template: { metadata: { annotations: Record<string, string> } };
  };
  const value = `${name} ${template.metadata.annotations["prove/release"]}`;
  return [{ op: "add", path: "/spec/template/metadata/annotations/prove~1bad", value }];
};

export const crashes = bad(
  "bad-crashes",
  "Canary that crashes: a liveness probe on a wrong path, which kills it",
  [
    {
      op: "replace",
      path: `${CONTAINER}/livenessProbe`,
      value: {
        httpGet: { path: "/not-there", port: "internal" },
        initialDelaySeconds: 25,
        periodSeconds: 5,
        failureThreshold: 2,
        // With the pod's own grace it would drain, and nobody would feel it.
        terminationGracePeriodSeconds: 1,
      },
    },
  ],
);

export const loses = bad(
  "bad-loses",
  "Canary that loses messages: the broker's database 1, where the others use 0",
  [
    {
      op: "add",
      path: `${CONTAINER}/env/-`,
      value: {
        name: "HOLDFAST_BROKER_URL",
        value: "redis://:$(VALKEY_PASSWORD)@rt-holdfast-valkey:6379/1",
      },
    },
  ],
  // What is published on one side never reaches the other: that is the fault.
  { mayLoseData: true, doesHarm: true },
);

export const slow = bad("bad-slow", "Canary that is slow: 6 % of a core", [
  // What it asks for may not be more.
  { op: "replace", path: `${CONTAINER}/resources/requests/cpu`, value: "60m" },
  { op: "replace", path: `${CONTAINER}/resources/limits/cpu`, value: "60m" },
]);

export const refuses = bad("bad-refuses", "Canary that refuses resumes: another resume secret", [
  {
    op: "add",
    path: `${CONTAINER}/env/-`,
    value: { name: "HOLDFAST_AUTH_RESUME_SECRET", value: "another secret that nobody else knows!" },
  },
]);

const LEAK = "leaks";
/** 4 MiB a second: the pod's memory ends after some fifty seconds, with people on it. */
const LEAKING = [
  "const kept = [];",
  "setInterval(() => kept.push(new Uint8Array(1 << 20).fill(1)), 250);",
  'export default { channels: { "leaks:{n}": {} } };',
].join("\n");

export const leaks: ClusterStep = bad(
  "bad-leaks",
  "Canary that leaks memory: a contract that keeps 4 MiB a second, until the kernel ends it",
  [
    {
      op: "add",
      path: "/spec/template/spec/volumes/-",
      value: { name: LEAK, configMap: { name: LEAK } },
    },
    {
      op: "add",
      path: `${CONTAINER}/volumeMounts/-`,
      value: { name: LEAK, mountPath: "/etc/holdfast/leaks", readOnly: true },
    },
    {
      op: "add",
      path: `${CONTAINER}/env/-`,
      value: { name: "HOLDFAST_CONTRACT", value: "/etc/holdfast/leaks/contract.js" },
    },
  ],
  {
    before: ({ rt }) =>
      rt.create({
        ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: LEAK } },
        data: { "contract.js": LEAKING },
      }),
  },
);
