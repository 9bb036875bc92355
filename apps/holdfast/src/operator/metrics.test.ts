import { describe, expect, test } from "bun:test";
import {
  KINDS,
  OPERATOR_LABELS,
  OPERATOR_METRICS,
  type OperatorState,
  type SetGauges,
} from "@holdfast/operator-runtime";
import { createOperatorMetrics, type OperatorMetrics } from "./metrics.ts";

const SET = "shop/rt";
const STATE: OperatorState = {
  isLeader: true,
  unsynced: [],
  sets: 3,
  staleMs: 7000,
  staleMsOf: {
    ...{ sets: 1000, pods: 2000, replicasets: 3000, releases: 7000, budgets: 5000 },
    machines: Infinity,
  },
  queue: { waiting: 4, working: 2, oldestMs: 1500 },
};
/** Of KEDA's external scaler. */
const STREAMS = 6;
const BAD = { crashes: 1, lost: 2, slow: 3, resumesFailed: 4, closedAbnormally: 5 };
const GAUGES: SetGauges = {
  ...{ replicas: 5, readyReplicas: 4, desiredReplicas: 6, connections: 100 },
  ...{ draining: 1, drainingConnections: 20, silent: 2, strays: 3 },
  ...{ condition: "Progressing", release: "advancing", verdict: "undecided" },
  ...{ releaseShare: 0.05, releaseShareWanted: 0.1 },
  revisions: [
    { revision: "aa", pods: 4, connections: 95 },
    { revision: "bb", pods: 1, connections: 5 },
  ],
  tallies: {
    canary: { connectionMinutes: 60, resumes: 7, bad: BAD },
    stable: { connectionMinutes: 900, resumes: 70, bad: BAD },
  },
};
const LOOK = { set: SET, actions: [], tookMs: 20, isBlocked: false, isUnprotected: false } as const;

/** Series of the page with their values. */
async function page(metrics: OperatorMetrics): Promise<ReadonlyMap<string, number>> {
  const { text } = await metrics.render(STATE, STREAMS);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const [series = "", value] = [line.slice(0, line.lastIndexOf(" ")), line.split(" ").at(-1)];
      return [series, Number(value === "+Inf" ? Infinity : value)];
    }),
  );
}

/** Everything that can happen once, on an operator that leads. */
function busy(): OperatorMetrics {
  const metrics = createOperatorMetrics();
  const { events } = metrics;
  events.leads(1);
  events.reconciled({ ...LOOK, outcome: "done" });
  events.acted(SET, "order-drain", "unanswered");
  events.asked(SET, "key");
  events.told(SET, "ReleaseBegan", "It begins.");
  events.figures(SET, GAUGES);
  events.failed("a look", new TypeError("x"));
  events.lease({ type: "failed", error: new TypeError("x") });
  events.watch("pods", { type: "listed", objects: 3 });
  events.noted({ type: "dropped" });
  events.queueFull("shop/other");
  metrics.scalerCalled("GetMetrics", "not-found");
  return metrics;
}

describe("the table of the operator's metrics", () => {
  test("has no row that nothing writes, and no series without a row", async () => {
    const found = await page(busy());
    const names = Object.entries(OPERATOR_METRICS).flatMap(([name, { type }]) =>
      type === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => name + end) : [name],
    );
    const written = new Set([...found].flatMap(([series]) => /^\w+/.exec(series)?.[0] ?? []));
    expect(names.filter((name) => !written.has(name))).toEqual([]);
    expect([...written].filter((name) => !names.includes(name))).toEqual([]);
    // A counter without labels is on the page before anything counts it.
    for (const [name, { type, labels }] of Object.entries(OPERATOR_METRICS))
      if (type === "counter" && labels.length === 0)
        expect({ name, count: found.get(name) }).toEqual({ name, count: 1 });
  });

  test("says of each series which labels it has", async () => {
    for (const [series] of await page(busy())) {
      const [name = "", inside = ""] = series.split(/[{}]/);
      const labels = [...inside.matchAll(/(\w+)="/g)].map(([, label]) => label ?? "");
      const row = Object.entries(OPERATOR_METRICS).find(([key, { type }]) =>
        type === "histogram" ? name.startsWith(key) : name === key,
      )?.[1];
      const own = labels.filter((label) => label !== "le").sort();
      expect({ name, labels: own }).toEqual({ name, labels: [...(row?.labels ?? [])].sort() });
    }
  });

  test("explains each label that a row has, and no other", () => {
    const used = new Set(Object.values(OPERATOR_METRICS).flatMap(({ labels }) => [...labels]));
    expect(Object.keys(OPERATOR_LABELS).sort()).toEqual([...used].sort());
  });

  test("follows Prometheus' conventions", () => {
    for (const [name, { type, help }] of Object.entries(OPERATOR_METRICS)) {
      expect(name).toMatch(/^holdfast_(operator|set)(_[a-z]+)+$/);
      expect({ name, total: name.endsWith("_total") }).toEqual({ name, total: type === "counter" });
      expect(help).toEndWith(".");
    }
  });
});

test.each<[string, number]>([
  ["holdfast_operator_leads", 1],
  ['holdfast_operator_terms_total{event="began"}', 1],
  ["holdfast_operator_sets", 3],
  ['holdfast_operator_queue_sets{state="waiting"}', 4],
  ['holdfast_operator_queue_sets{state="working"}', 2],
  ["holdfast_operator_queue_oldest_seconds", 1.5],
  ['holdfast_operator_watch_stale_seconds{kind="releases"}', 7],
  ['holdfast_operator_watch_stale_seconds{kind="machines"}', Infinity],
  ['holdfast_operator_actions_total{action="order-drain",outcome="unanswered"}', 1],
  ['holdfast_operator_asked_total{set="shop/rt",outcome="key"}', 1],
  ['holdfast_operator_asked_total{set="shop/rt",outcome="answered"}', 0],
  ['holdfast_operator_reconciles_total{outcome="done"}', 1],
  ['holdfast_operator_events_total{outcome="dropped"}', 1],
  ['holdfast_operator_watches_total{kind="pods",event="listed"}', 1],
  ["holdfast_operator_scaler_listens", 1],
  ["holdfast_operator_scaler_streams", 6],
  ['holdfast_operator_scaler_calls_total{call="GetMetrics",outcome="not-found"}', 1],
  ['holdfast_set_told_total{set="shop/rt",reason="ReleaseBegan"}', 1],
  ['holdfast_set_told_total{set="shop/rt",reason="RolledBack"}', 0],
  ['holdfast_set_ready_replicas{set="shop/rt"}', 4],
  ['holdfast_set_desired_replicas{set="shop/rt"}', 6],
  ['holdfast_set_draining_connections{set="shop/rt"}', 20],
  ['holdfast_set_silent{set="shop/rt"}', 2],
  ['holdfast_set_condition{set="shop/rt",state="Progressing"}', 1],
  ['holdfast_set_condition{set="shop/rt",state="Settled"}', 0],
  ['holdfast_set_revision_connections{set="shop/rt",revision="bb"}', 5],
  ['holdfast_set_revision_pods{set="shop/rt",revision="aa"}', 4],
  ['holdfast_set_release{set="shop/rt",state="advancing"}', 1],
  ['holdfast_set_release_share{set="shop/rt"}', 0.05],
  ['holdfast_set_release_share_wanted{set="shop/rt"}', 0.1],
  ['holdfast_set_release_verdict{set="shop/rt",state="undecided"}', 1],
  ['holdfast_set_release_connection_minutes{set="shop/rt",side="stable"}', 900],
  ['holdfast_set_release_resumes{set="shop/rt",side="canary"}', 7],
  ['holdfast_set_release_bad{set="shop/rt",side="canary",signal="resumesFailed"}', 4],
])("%s is %p", async (series, value) => expect((await page(busy())).get(series)).toBe(value));

test("an external scaler that does not listen is shown as such", async () => {
  const { text } = await createOperatorMetrics().render(STATE);
  expect(text).toContain("\nholdfast_operator_scaler_listens 0\n");
  expect(text).toContain("\nholdfast_operator_scaler_streams 0\n");
});

test("every kind that is watched has its age", async () => {
  const found = await page(createOperatorMetrics());
  for (const kind of KINDS)
    expect(found.has(`holdfast_operator_watch_stale_seconds{kind="${kind}"}`)).toBe(true);
});

const ofSet = (found: ReadonlyMap<string, number>) =>
  [...found.keys()].filter((series) => series.includes("set="));

test.each<[string, (metrics: OperatorMetrics) => void]>([
  ["the set is gone", ({ events }) => events.forgotten(SET)],
  ["the term is over: another operator shows it", ({ events }) => events.lost("late")],
])("a set's series end: %s", async (_what, end) => {
  const metrics = busy();
  expect(ofSet(await page(metrics)).length).toBeGreaterThan(20);
  end(metrics);
  expect(ofSet(await page(metrics))).toEqual([]);
});

test("what ends after the term shows nothing of the set", async () => {
  const metrics = busy();
  const { events } = metrics;
  events.lost("late");
  events.asked(SET, "answered");
  events.told(SET, "RolledBack", "It was bad.");
  events.figures(SET, GAUGES);
  events.reconciled({ ...LOOK, outcome: "not-leading" });
  expect(ofSet(await page(metrics))).toEqual([]);
  expect((await page(metrics)).get("holdfast_operator_leads")).toBe(0);
});

test("an answer that comes after the set is gone shows nothing of it", async () => {
  const metrics = busy();
  metrics.events.forgotten(SET);
  metrics.events.asked(SET, "unreachable");
  expect(ofSet(await page(metrics))).toEqual([]);
});

test("a set that cannot be read, and one whose writes are refused, are shown while it is so", async () => {
  const metrics = busy();
  const { events } = metrics;
  const shown = async (name: string) => (await page(metrics)).get(`${name}{set="${SET}"}`);
  events.reconciled({ ...LOOK, outcome: "invalid" });
  expect(await shown("holdfast_set_invalid")).toBe(1);
  expect(await shown("holdfast_set_blocked")).toBe(0);
  events.reconciled({ ...LOOK, outcome: "overtaken", isBlocked: true, isUnprotected: true });
  expect(await shown("holdfast_set_invalid")).toBe(0);
  expect(await shown("holdfast_set_blocked")).toBe(1);
  expect(await shown("holdfast_set_unprotected")).toBe(1);
  events.reconciled({ ...LOOK, outcome: "done" });
  expect(await shown("holdfast_set_blocked")).toBe(0);
});

test("revisions and tallies that are over are not shown any more", async () => {
  const metrics = busy();
  const { tallies: _, ...rest } = GAUGES;
  metrics.events.figures(SET, { ...rest, revisions: GAUGES.revisions.slice(1), verdict: "none" });
  const series = ofSet(await page(metrics));
  expect(series.filter((one) => one.includes('revision="aa"'))).toEqual([]);
  expect(series.filter((one) => one.includes("side="))).toEqual([]);
});
