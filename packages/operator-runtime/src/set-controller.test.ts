import { beforeEach, expect, test } from "bun:test";
import { at, type Json, type KubeApi, KubeApiError } from "@holdfast/kube";
import { memoryOf, setProgress } from "@holdfast/operator";
import { realtimeSet } from "@holdfast/operator/resource-cases";
import type { OperatorEvents } from "./events.ts";
import { PlaneError } from "./plane.ts";
import { SetController } from "./set-controller.ts";

type Look = Parameters<OperatorEvents["reconciled"]>[0];

const refusal = (status: number, reason: string): KubeApiError =>
  new KubeApiError("refused", { status, reason });

/** A controller over an empty cluster. What fails is named by its verb. */
function stage(spec: Json = {}) {
  const failing = new Map<string, KubeApiError>();
  const caches: Record<"pods" | "budgets", readonly Json[]> = { pods: [], budgets: [] };
  const written: Json[] = [];
  const told: string[] = [];
  let stepMs = 5000;
  let trouble = { silent: "", gone: "" };
  const looks: Look[] = [];
  const notes: string[] = [];
  const acted: string[] = [];
  let nowMs = 0;
  const answer = async <T>(verb: string, value: T): Promise<T> => {
    const error = failing.get(verb);
    if (error !== undefined) throw error;
    return value;
  };
  const api: KubeApi = {
    get: () => Promise.reject(refusal(404, "NotFound")),
    list: () => answer("list", { items: [], resourceVersion: "1" }),
    create: (_path, body) => answer("create", body),
    preview: (_path, body) => answer("preview", body),
    merge: (_path, patch) => answer("merge", patch),
    apply: (_path, body) => {
      caches.budgets = [{ ...body, metadata: { ...(body.metadata as Json), uid: "b" } }];
      return answer("apply", body);
    },
    replace: (_path, body) => {
      written.push(body);
      return answer("replace", body);
    },
    remove: () => answer("remove", undefined),
  };
  const nothing = () => {};
  const gauges: number[] = [];
  const controller = new SetController("shop/rt", {
    api,
    caches: {
      ...{ replicaSets: () => [], releases: () => [], machines: () => [] },
      ...{ pods: () => caches.pods, budgets: () => caches.budgets },
    },
    events: {
      ...{ asked: nothing, forgotten: nothing, failed: nothing },
      told: (_set, reason, text) => told.push(`${reason}: ${text}`),
      figures: (_set, { strays }) => gauges.push(strays),
      reconciled: (look) => looks.push(look),
      acted: (_set, action, outcome) => acted.push(`${action} ${outcome}`),
    },
    note: (_set, reason) => notes.push(reason),
    nowMs: () => nowMs,
    wallMs: () => 1_700_000_000_000 + nowMs,
    epoch: () => 1,
    lagMs: () => 0,
    planesOf: () => {
      const nobody = () => Promise.reject(new PlaneError("unreachable", "nobody"));
      const orders = { ask: nobody, drain: nobody, serve: nobody, shed: nobody };
      return { ...orders, trouble: () => trouble };
    },
  });
  const set = realtimeSet(spec, "rt");
  const metadata = { namespace: "shop", uid: "u", resourceVersion: "1", generation: 1 };
  const stored: Json = { ...set, metadata: { ...(set.metadata as Json), ...metadata } };
  return {
    ...{ failing, looks, notes, acted, caches, written, told, gauges },
    troubled: (by: typeof trouble) => {
      trouble = by;
    },
    sooner: (ms: number) => {
      stepMs = ms;
    },
    /** Each look is later than the last, so that none waits for the echo of a write. */
    look: async (): Promise<Look | undefined> => {
      nowMs += stepMs;
      await controller.reconcile(stored);
      return looks.at(-1);
    },
  };
}

let scene: ReturnType<typeof stage>;
beforeEach(() => {
  scene = stage();
});

test("a set whose writes are refused ten times in a row is blocked, until one is not", async () => {
  scene.failing.set("replace", refusal(409, "Conflict"));
  for (let times = 1; times < 10; times += 1)
    expect(await scene.look()).toMatchObject({ outcome: "overtaken", isBlocked: false });
  expect(scene.notes).toEqual([]);
  expect(await scene.look()).toMatchObject({ isBlocked: true });
  expect(await scene.look()).toMatchObject({ isBlocked: true });
  expect(scene.notes).toEqual(["Blocked"]);
  expect(scene.acted.at(-1)).toBe("set-status overtaken");
  scene.failing.clear();
  expect(await scene.look()).toMatchObject({ outcome: "done", isBlocked: false });
  expect(scene.acted).toContain("set-status done");
});

test("a new set of which no pod can be made counts as one that cannot be read", async () => {
  scene.failing.set("preview", refusal(422, "Invalid"));
  expect(await scene.look()).toMatchObject({ outcome: "invalid", actions: [] });
  expect(scene.notes).toEqual(["InvalidTemplate"]);
});

test("its status says why, and whoever waits for it hears so", async () => {
  const long = new KubeApiError("x".repeat(90_000), { status: 422, reason: "Invalid" });
  scene.failing.set("preview", long);
  await scene.look();
  const [stored] = scene.written;
  expect(scene.written.length).toBe(1);
  expect(JSON.stringify(stored?.status).length).toBeLessThan(20_000);
  expect(setProgress(stored)).toMatchObject({ state: "stuck" });
  expect(setProgress(stored).text).toStartWith("No pod can be made of the template");
  expect(memoryOf(stored)).toEqual({ ok: true, value: undefined });
  const conditions = at(stored, "status", "conditions") as Json[];
  const holding = conditions.filter(({ status }) => status === "True").map(({ type }) => type);
  expect(holding).toEqual(["Waiting", "Stalled"]);
});

test("a budget that somebody deletes or changes is back with the next look, and that is told", async () => {
  scene.sooner(2500);
  await scene.look();
  await scene.look();
  for (const there of [[], [{ ...scene.caches.budgets[0], spec: { maxUnavailable: 1 } }]]) {
    expect(scene.caches.budgets.length).toBe(1);
    scene.caches.budgets = there;
    await scene.look();
    expect(at(scene.caches.budgets[0], "spec", "maxUnavailable")).toBe(0);
    await scene.look();
  }
  expect(scene.notes).toEqual(["BudgetRestored", "BudgetRestored"]);
  expect(scene.told.length).toBe(2);
});

test("a budget that is refused is told and shown until it is there", async () => {
  scene.failing.set("apply", refusal(403, "Forbidden"));
  expect(await scene.look()).toMatchObject({ isUnprotected: true });
  expect(scene.notes).toEqual(["BudgetRefused"]);
  scene.failing.clear();
  scene.sooner(60_000);
  expect(await scene.look()).toMatchObject({ isUnprotected: false });
});

test("pods with the set's label that no ReplicaSet of it owns are told, once they stay", async () => {
  const stray = (name: string): Json => ({
    metadata: { ...{ name, namespace: "shop", uid: name }, labels: { "holdfast.dev/set": "rt" } },
    status: { phase: "Running" },
  });
  scene.caches.pods = ["a", "b", "c", "d"].map(stray);
  await scene.look();
  scene.sooner(59_000);
  await scene.look();
  expect(scene.notes).not.toContain("Strays");
  scene.sooner(5000);
  await scene.look();
  await scene.look();
  expect(scene.told.filter((text) => text.startsWith("Strays"))).toEqual([
    "Strays: 4 pods have the label of this set and none of its ReplicaSets. Nobody drains or removes them: a, b, c, ...",
  ]);
  expect(scene.gauges.at(-1)).toBe(4);
  scene.caches.pods = [];
  await scene.look();
  expect(scene.gauges.at(-1)).toBe(0);
});

test("gateways that do not answer are told by their names, once for each change", async () => {
  await scene.look();
  scene.troubled({ silent: "No answer of 10.0.0.7", gone: "" });
  await scene.look();
  await scene.look();
  scene.troubled({ silent: "", gone: "10.0.0.7 is gone" });
  await scene.look();
  scene.troubled({ silent: "", gone: "" });
  await scene.look();
  scene.troubled({ silent: "No answer of 10.0.0.7", gone: "" });
  await scene.look();
  expect(scene.told.filter((text) => text.startsWith("Gateway"))).toEqual([
    "GatewaySilent: No answer of 10.0.0.7",
    "GatewayGone: 10.0.0.7 is gone",
    "GatewaySilent: No answer of 10.0.0.7",
  ]);
});

test("an object that breaks a rule is told once, and nothing is done", async () => {
  scene = stage({ drain: { maxSeconds: -1 } });
  for (let times = 0; times < 3; times += 1)
    expect(await scene.look()).toMatchObject({ outcome: "invalid", actions: [] });
  expect(scene.notes).toEqual(["Invalid"]);
  expect(scene.acted).toEqual([]);
});
