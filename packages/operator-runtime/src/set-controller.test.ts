import { beforeEach, expect, test } from "bun:test";
import { type Json, type KubeApi, KubeApiError } from "@holdfast/kube";
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
    apply: (_path, body) => answer("apply", body),
    replace: (_path, body) => answer("replace", body),
    remove: () => answer("remove", undefined),
  };
  const nothing = () => {};
  const controller = new SetController("shop/rt", {
    api,
    caches: { pods: () => [], replicaSets: () => [], releases: () => [], machines: () => [] },
    events: {
      ...{ asked: nothing, told: nothing, figures: nothing, forgotten: nothing, failed: nothing },
      reconciled: (look) => looks.push(look),
      acted: (_set, action, outcome) => acted.push(`${action} ${outcome}`),
    },
    note: (_set, reason) => notes.push(reason),
    nowMs: () => nowMs,
    wallMs: () => 1_700_000_000_000 + nowMs,
    epoch: () => 1,
    planesOf: () => {
      const nobody = () => Promise.reject(new PlaneError("unreachable", "nobody"));
      return { ask: nobody, drain: nobody, serve: nobody, shed: nobody };
    },
  });
  const set = realtimeSet(spec, "rt");
  const metadata = { namespace: "shop", uid: "u", resourceVersion: "1", generation: 1 };
  const stored: Json = { ...set, metadata: { ...(set.metadata as Json), ...metadata } };
  return {
    ...{ failing, looks, notes, acted },
    /** Each look is later than the last, so that none waits for the echo of a write. */
    look: async (): Promise<Look | undefined> => {
      nowMs += 5000;
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

test("an object that breaks a rule is told once, and nothing is done", async () => {
  scene = stage({ drain: { maxSeconds: -1 } });
  for (let times = 0; times < 3; times += 1)
    expect(await scene.look()).toMatchObject({ outcome: "invalid", actions: [] });
  expect(scene.notes).toEqual(["Invalid"]);
  expect(scene.acted).toEqual([]);
});
