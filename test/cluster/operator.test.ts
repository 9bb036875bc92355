// Checks that what the operator does to a RealtimeSet on a real Kubernetes is not felt by its
// clients: releases good and bad, shares of a canary, machine drains, scale-downs, its own death,
// and a Deployment that becomes a RealtimeSet and one again.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "@holdfast/lab";
import { patience } from "../patience.ts";
import { Installation, type Values } from "./installation.ts";
import { setOperator } from "./set-operator.ts";

setDefaultTimeout(patience(240_000));

const CLIENTS = 120;
const PODS = 3;
const NAMESPACE = "operated";
const SET = "rt-holdfast";
/** Clients of one move each, and what a fleet evens out meanwhile. */
const MOVES_MAX = CLIENTS * 1.1;
/** A forecast says the time of a release within this factor. */
const FORECAST_FACTOR = 2;
/** The proof asks for 1.05; here other tests run beside it. */
const ATTEMPTS_PER_MOVE_MAX = 1.1;

const CANARY: Values = {
  strategy: "Canary",
  canary: {
    steps: [{ sharePercent: 20 }, { sharePercent: 50, untilPromoted: true }],
  },
  // Sure verdicts need thousands of connection-minutes; a bad one comes much sooner.
  analysis: { connectionMinutesMin: 5, waitSecondsMax: 5 },
};

let rt: Installation;

const set = async (path: string): Promise<string> =>
  await rt.kubectl("get", "rts", SET, "-o", `jsonpath={${path}}`);

/** The chart with another pod template. */
const release = (version: string, more: Values = {}): Promise<void> =>
  rt.upgrade({ podAnnotations: { version }, ...more });

beforeAll(async () => {
  rt = await Installation.begin(NAMESPACE, setOperator(NAMESPACE, "logLevel=debug"));
});
afterAll(() => rt?.end());

test("the set says that it is settled, to people and to what waits for it", async () => {
  await rt.kubectl("wait", `rts/${SET}`, "--for=condition=Ready", "--timeout=60s");
  expect(await set(".status.readyReplicas")).toBe(String(PODS));
  // Balancers spread by chance: pods with clearly more than others give some away first.
  const isStill = async () => (await rt.rollout("status", SET)).includes("Nothing is waited for.");
  await eventually("nothing is waited for", isStill, {
    timeoutMs: patience(60_000),
    everyMs: 1000,
  });
});

test("the doctor finds nothing grave, and the second budget that evictions are refused for", async () => {
  expect(await rt.doctor()).toContain(`RealtimeSet ${NAMESPACE}/${SET}`);
  const [name = ""] = await rt.podNames();
  const selector = "--selector=app.kubernetes.io/component=node";
  await rt.kubectl("create", "pdb", "mine", selector, "--max-unavailable=1");
  try {
    await expect(rt.doctor("--least", "error")).rejects.toThrow(/pdb-twice/);
    await expect(evict(name)).rejects.toThrow(/more than one PodDisruptionBudget/);
  } finally {
    await rt.kubectl("delete", "pdb", "mine");
  }
  // The operator's own alone: it says to try again later.
  await expect(evict(name)).rejects.toThrow(/disruption budget/);
});

test("O1: a rolling release moves everybody once, at the first attempt, as it was forecast", async () => {
  // Figures are written every few seconds.
  const isCounted = async () => (await set(".status.connections")) === String(CLIENTS);
  await eventually("the status has all connections", isCounted, {
    timeoutMs: patience(60_000),
    everyMs: 1000,
  });
  const forecast = JSON.parse(await rt.rollout("plan", SET, "--json"));
  const { moves, attempts } = await rt.step("rolling release", async () => {
    await release("2");
    expect(await rt.rollout("wait", `rts/${SET}`)).toContain("Nothing is waited for");
    await rt.settled(PODS);
  });
  expect(moves).toBeGreaterThanOrEqual(CLIENTS);
  expect(moves).toBeLessThanOrEqual(MOVES_MAX);
  expect(attempts / moves).toBeLessThanOrEqual(ATTEMPTS_PER_MOVE_MAX);
  const seconds = await tookSeconds();
  const starts = PODS * forecast.basis.podStartSeconds;
  console.log(
    `  forecast: ${forecast.seconds} s (${starts} s of it until pods are ready), ` +
      `${forecast.moves} moves; it took ${seconds} s`,
  );
  expect([forecast.isOver, forecast.moves, forecast.podsMax]).toEqual([true, CLIENTS, PODS + 1]);
  // Delays and warm times are in both. The first pods also waited for the broker's.
  expect(seconds).toBeGreaterThan((forecast.seconds - starts) / FORECAST_FACTOR);
  expect(seconds).toBeLessThan(patience(forecast.seconds * FORECAST_FACTOR));
});

test("a canary has its share of the people, waits to be promoted, and takes over", async () => {
  const { moves } = await rt.step("canary", async () => {
    await release("3", { operator: operatorValues(CANARY) });
    await reached(2);
    const share = Number(await set(".status.release.sharePercent"));
    expect(share).toBeGreaterThanOrEqual(45);
    expect(share).toBeLessThanOrEqual(55);
    const dry = await rt.rollout("promote", SET, "--dry-run");
    expect(dry).toMatch(/Nothing was written[\s\S]*holdfast.dev\/promote[\s\S]*takes /);
    expect(await set(".metadata.annotations.holdfast\\.dev/promote")).toBe("");
    await rt.rollout("promote", SET);
    await rt.rollout("wait", `rts/${SET}`);
    await rt.settled(PODS);
  });
  expect(moves).toBeGreaterThanOrEqual(CLIENTS);
  expect(await rt.rollout("history", SET)).toMatch(/Canary +Done/);
});

test("O3: a canary that accepts nobody's session is rolled back, and nobody was on it", async () => {
  const before = await rt.podNames();
  await rt.step("bad canary", async () => {
    const other = `${crypto.randomUUID()}${crypto.randomUUID()}`;
    await release("4", {
      operator: operatorValues({ ...CANARY, analysis: { waitSecondsMax: 600 } }),
      extraEnv: [{ name: "HOLDFAST_AUTH_RESUME_SECRET", value: other }],
    });
    await expect(rt.rollout("wait", `rts/${SET}`)).rejects.toThrow(/rolled back/);
    await rt.settled(PODS);
  });
  expect(await rt.podNames()).toEqual(before);
  const history = await rt.rollout("history", SET);
  expect(history).toMatch(
    /RolledBack +(100 % of its resumes failed|Sessions that were to move did not arrive)/,
  );
  await release("3", { operator: operatorValues(CANARY) });
  await rt.rollout("wait", `rts/${SET}`);
});

test("O2: the leader is killed in the middle of a release, and another one ends it", async () => {
  await rt.step("leader killed", async () => {
    await release("5");
    await draining();
    await rt.kubectl("delete", "pod", await leader(), "--grace-period=0", "--force");
    await rt.rollout("wait", `rts/${SET}`);
    await rt.settled(PODS);
  });
});

test("O5: kubectl drain of a machine waits until its pods are empty", async () => {
  const drained = (await rt.pods())[0]?.spec.nodeName ?? "";
  try {
    await rt.step("kubectl drain", async () => {
      await rt.kubectl(
        ...["drain", drained, "--ignore-daemonsets", "--delete-emptydir-data"],
        ...["--pod-selector", "app.kubernetes.io/component=node", "--timeout=150s"],
      );
      await rt.settled(PODS);
    });
    expect((await rt.pods()).map(({ spec }) => spec.nodeName)).not.toContain(drained);
  } finally {
    await rt.kubectl("uncordon", drained);
  }
});

test("kubectl scale takes an emptied pod away", async () => {
  await rt.step("scale down", async () => {
    await rt.kubectl("scale", "rts", SET, `--replicas=${PODS - 1}`);
    await rt.settled(PODS - 1);
  });
  await rt.kubectl("scale", "rts", SET, `--replicas=${PODS}`);
  await rt.settled(PODS);
});

test("a template of which no pod can be made is told, and changes nothing", async () => {
  const before = await rt.podNames();
  const ports = [{ name: "a-name-of-more-than-fifteen-characters", containerPort: 1 }];
  const sidecar = { name: "sidecar", image: "none", ports };
  const template = { spec: { template: { spec: { initContainers: [sidecar] } } } };
  await rt.kubectl("patch", "rts", SET, "--type=merge", "-p", JSON.stringify(template));
  await expect(rt.rollout("wait", `rts/${SET}`)).rejects.toThrow(/No pod can be made/);
  expect(await set('.status.conditions[?(@.type=="Stalled")].reason')).toBe("InvalidTemplate");
  expect(await rt.podNames()).toEqual(before);
});

test("a new set of which no pod can be made says why in its status", async () => {
  const ports = [{ name: "a-name-of-more-than-fifteen-characters", containerPort: 1 }];
  const labels = { app: "refused" };
  const spec = {
    ...{ selector: { matchLabels: labels }, drain: { maxSeconds: 60 } },
    template: { metadata: { labels }, spec: { containers: [{ name: "a", image: "none", ports }] } },
    connections: { perPod: 10 },
    dataPlane: { node: { keySecret: { name: "operator-key", key: "key" } } },
  };
  const metadata = { name: "refused", namespace: NAMESPACE };
  const refused = { apiVersion: "holdfast.dev/v1alpha1", kind: "RealtimeSet", metadata, spec };
  const folder = mkdtempSync(join(tmpdir(), "holdfast-refused-"));
  writeFileSync(join(folder, "set.json"), JSON.stringify(refused));
  await rt.kubectl("apply", "-f", join(folder, "set.json"));
  rmSync(folder, { recursive: true });
  await rt.kubectl("wait", "rts/refused", "--for=condition=Stalled", "--timeout=60s");
  await expect(rt.rollout("wait", "rts/refused")).rejects.toThrow(/No pod can be made/);
  await rt.kubectl("delete", "rts", "refused");
});

test("a budget that somebody deletes is back, and that is told", async () => {
  const budget = `pdb/${SET}-protected`;
  await rt.kubectl("delete", budget);
  await eventually(
    "the budget is back",
    async () => {
      const told = ["get", "events", "--field-selector", "reason=BudgetRestored", "-o", "name"];
      return (await rt.kubectl(...told)) !== "";
    },
    { timeoutMs: patience(60_000), everyMs: 200 },
  );
  expect(await rt.kubectl("get", budget, "-o", "jsonpath={.spec.maxUnavailable}")).toBe("0");
});

/** Asks the eviction API, as `kubectl drain` does, without its retries. */
async function evict(pod: string): Promise<void> {
  const metadata = { name: pod, namespace: NAMESPACE };
  const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata };
  const path = `/api/v1/namespaces/${NAMESPACE}/pods/${pod}/eviction`;
  await rt.given(eviction, "create", "--raw", path, "-f", "-");
}

/** How long the last release took, by its record, which the operator ends after the release. */
async function tookSeconds(): Promise<number> {
  const times = "{.items[-1:].status.startedAt} {.items[-1:].status.endedAt}";
  const sorted = ["--sort-by=.status.startedAt", "-o", `jsonpath=${times}`];
  let seconds = Number.NaN;
  await eventually(
    "the record is ended",
    async () => {
      const [from = "", to = ""] = (await rt.kubectl("get", "rtr", ...sorted)).split(" ");
      seconds = (Date.parse(to) - Date.parse(from)) / 1000;
      return !Number.isNaN(seconds);
    },
    { timeoutMs: patience(30_000), everyMs: 500 },
  );
  return seconds;
}

/** Resolves when a pod of the set drains. */
async function draining(): Promise<void> {
  const marks = "{.items[*].metadata.annotations.holdfast\\.dev/drain}";
  await eventually(
    "a pod drains",
    async () => {
      const selector = ["--selector", "app.kubernetes.io/component=node"];
      return (await rt.kubectl("get", "pods", ...selector, "-o", `jsonpath=${marks}`)) !== "";
    },
    { timeoutMs: patience(60_000), everyMs: 200 },
  );
}

/** Name of the operator's pod that leads. */
async function leader(): Promise<string> {
  const holder = "jsonpath={.spec.holderIdentity}";
  const identity = await rt.kubectl("get", "lease", "holdfast-operator", "-o", holder);
  return identity.slice(0, identity.lastIndexOf("_"));
}

/** Resolves when the canary's step, from 1, has its share and waits. */
async function reached(step: number): Promise<void> {
  await eventually(
    `step ${step} is reached`,
    async () =>
      (await set(".status.release.step")) === String(step) &&
      (await set(".status.decision.release.reachedAtMs")) !== "",
    { timeoutMs: patience(120_000), everyMs: 500 },
  );
}

const operatorValues = (releaseWish: Values): Values => ({
  keySecret: { name: "operator-key" },
  serviceAccount: { name: "holdfast-operator", namespace: NAMESPACE },
  release: releaseWish,
});
