import { expect, test } from "bun:test";
import { type Json, type KubeApi, KubeApiError, type KubeWatcher } from "@holdfast/kube";
import { createManualClock, type ManualClock } from "@holdfast/testkit";
import { Operator } from "./operator.ts";

const set = (uid: string, name = "rt"): Json => ({
  apiVersion: "holdfast.dev/v1alpha1",
  kind: "RealtimeSet",
  metadata: { name, namespace: "live", uid, resourceVersion: uid.slice(1), generation: 1 },
  spec: {
    selector: { matchLabels: { app: "rt" } },
    template: { metadata: { labels: { app: "rt" } }, spec: { containers: [{ name: "a" }] } },
    drain: { maxSeconds: 60 },
    connections: { perPod: 10 },
    dataPlane: { node: { keySecret: { name: "k", key: "key" } } },
  },
});

/** An API server that is heard until a test says so. Watches of pods are apart. */
function stage() {
  const budgets: number[] = [];
  const clock: ManualClock = createManualClock();
  let sets: readonly Json[] = [set("u1")];
  let hasPods = true;
  const looked = new Set<string>();
  const away = () => new KubeApiError("forbidden", { status: 403, reason: "Forbidden" });
  const api: KubeApi & KubeWatcher = {
    get: async () => {
      throw new KubeApiError("none", { status: 404, reason: "NotFound" });
    },
    list: async () => ({ items: [], resourceVersion: "1" }),
    ...{ create: async (_, body) => body, preview: async (_, body) => body },
    ...{ merge: async (_, patch) => patch, replace: async (_, body) => body },
    apply: async (path, body) => {
      budgets.push(clock.nowMs());
      looked.add(path.slice(path.lastIndexOf("/") + 1));
      return path.includes("/slow") ? await new Promise<never>(() => {}) : body;
    },
    remove: async () => {},
    listAll: async (path) => {
      if (path.endsWith("/pods") && !hasPods) throw away();
      return { items: path.endsWith("/realtimesets") ? sets : [], resourceVersion: "1" };
    },
    // It ends at once, so each kind is listed again and again.
    watch: async () => {
      throw new KubeApiError("gone", { status: 410, reason: "Gone" });
    },
  };
  const quiet = new Proxy({}, { get: () => () => {} });
  const operator = new Operator({
    ...{ api, namespaces: [], lease: { namespace: "ops", name: "lead" }, identity: "one" },
    events: quiet as ConstructorParameters<typeof Operator>[0]["events"],
    ports: { clock, random: { next: () => 0.5 } },
  });
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      for (let turn = 0; turn < 60; turn += 1) await undefined;
      clock.advance(500);
    }
  };
  return {
    ...{ budgets, clock, looked, operator, pass },
    replace: (...others: readonly Json[]) => {
      sets = others;
    },
    hidePods: () => {
      hasPods = false;
    },
  };
}

test("nothing is decided by a copy that has not been heard of for three minutes", async () => {
  const { budgets, clock, operator, pass, hidePods } = stage();
  operator.start();
  await pass(130_000);
  expect(budgets.length).toBeGreaterThanOrEqual(2);
  hidePods();
  const hiddenMs = clock.nowMs();
  await pass(600_000);
  const last = budgets.at(-1) ?? 0;
  expect(last - hiddenMs).toBeLessThan(180_000);
  expect(operator.state).toMatchObject({ isLeader: true, unsynced: [] });
});

test("another set of the same name is looked after from its beginning", async () => {
  const { budgets, operator, pass, replace } = stage();
  operator.start();
  await pass(20_000);
  const before = budgets.length;
  replace(set("u2"));
  await pass(20_000);
  expect(budgets.length).toBe(before + 1);
});

test("sets whose writes hang keep no other from being looked at", async () => {
  const { looked, operator, pass, replace } = stage();
  const slow = Array.from({ length: 16 }, (_, at) => set(`u${at + 10}`, `slow${at}`));
  replace(...slow, set("u1", "fast"));
  operator.start();
  await pass(20_000);
  expect([looked.size, looked.has("fast-protected")]).toEqual([17, true]);
});
