import { expect, test } from "bun:test";
import { type Json, KubeApiError } from "@holdfast/kube";
import type { Action, DrainMark } from "@holdfast/operator";
import { type CarryOutNeeds, carryOut, type Target } from "./carry-out.ts";
import { PlaneError, type Planes } from "./plane.ts";

const POD = { name: "p1", uid: "u1", resourceVersion: "7" };
const MARK: Extract<DrainMark, { wants: "drain" }> = {
  ...{ wants: "drain", token: 5, cause: "machine", windowMs: 1000, preDelayMs: 20 },
  ...{ orderedAtMs: 1, toRevision: "r2" },
};

/** Notes every call, in order; a test says which one fails. */
function stage(failing: { readonly call?: string; readonly error?: Error; mark?: DrainMark } = {}) {
  const calls: string[] = [];
  const became: string[] = [];
  const note = async (call: string): Promise<Json> => {
    calls.push(call);
    if (failing.call !== undefined && call.startsWith(failing.call)) throw failing.error;
    return {};
  };
  const said = (value: unknown): string => JSON.stringify(value);
  const planes: Planes = {
    ask: () => Promise.reject(new PlaneError("unreachable", "nobody")),
    drain: async (place, order) => void (await note(`drain ${place.address} ${said(order)}`)),
    serve: async (place, order) => void (await note(`serve ${place.address} ${said(order)}`)),
    shed: async (place, order) => void (await note(`shed ${place.address} ${said(order)}`)),
  };
  const api: CarryOutNeeds["api"] = {
    create: (path, body) => note(`create ${path} ${said(body)}`),
    merge: (path, patch) => note(`merge ${path} ${said(patch)}`),
    remove: async (path, options) => void (await note(`remove ${path} ${said(options)}`)),
  };
  const target: Target = {
    namespace: "live",
    planes,
    windowMs: 9000,
    place: (uid) => (uid === "u1" ? { uid, address: "10.0.0.7" } : undefined),
    markOf: () => failing.mark,
    isShedding: (_uid, { keep, toRevision }) => keep === 7 && toRevision === "r2",
    replicaSet: (revision) => (revision === "r1" ? "rt-r1" : undefined),
    manifest: (revision, replicas) => (revision === "r2" ? { made: replicas } : undefined),
    writeStatus: async (status) => void (await note(`status ${status.message}`)),
    event: (reason, text) => void calls.push(`event ${reason} ${text}`),
  };
  let mayAct = true;
  return {
    calls,
    became,
    stop: () => {
      mayAct = false;
    },
    run: (...actions: readonly Action[]) =>
      carryOut(actions, target, {
        ...{ api, mayAct: () => mayAct },
        acted: (kind, outcome) => became.push(`${kind} ${outcome}`),
      }),
  };
}

test("the mark is written before the order is given, on the condition that nobody wrote since", async () => {
  const { calls, run } = stage();
  expect(await run({ kind: "order-drain", pod: POD, mark: MARK })).toEqual({
    kind: "done",
    count: 1,
  });
  const [write = "", order] = calls;
  expect(write).toStartWith("merge /api/v1/namespaces/live/pods/p1 ");
  expect(JSON.parse(write.slice(write.indexOf("{")))).toEqual({
    metadata: {
      uid: "u1",
      resourceVersion: "7",
      annotations: {
        "holdfast.dev/drain": JSON.stringify(MARK),
        "controller.kubernetes.io/pod-deletion-cost": "2147483647",
      },
      labels: { "holdfast.dev/protected": "true", "holdfast.dev/receives": null },
    },
  });
  expect(order).toBe(
    'drain 10.0.0.7 {"token":5,"windowMs":1000,"preDelayMs":20,"toRevision":"r2","isPreferred":true}',
  );
});

test("an order that is given again writes nothing", async () => {
  const { calls, run } = stage({ mark: MARK });
  await run({ kind: "order-drain", pod: POD, mark: MARK });
  expect(calls.map((call) => call.split(" ")[0])).toEqual(["drain"]);
});

test("whoever wrote first: nothing behind it is done, and no order is given", async () => {
  const error = new KubeApiError("changed", { status: 409, reason: "Conflict" });
  const { calls, run } = stage({ call: "merge", error });
  const outcome = await run(
    { kind: "order-drain", pod: POD, mark: MARK },
    { kind: "remove-pod", pod: POD, because: "nobody is on it" },
  );
  expect(outcome).toEqual({ kind: "overtaken", by: "order-drain", why: "changed", count: 0 });
  expect(calls).toHaveLength(1);
});

test("a data plane that does not answer keeps nothing else from being done", async () => {
  const error = new PlaneError("unreachable", "nobody");
  const { calls, run } = stage({ call: "drain", error });
  const outcome = await run(
    { kind: "order-drain", pod: POD, mark: MARK },
    { kind: "set-protection", pod: { ...POD, name: "p2" }, isProtected: false },
  );
  expect(outcome.kind).toBe("done");
  expect(calls).toHaveLength(3);
});

test("an API server that is away ends it, and is told", async () => {
  const error = new KubeApiError("away", { status: 0, reason: "Unreachable" });
  const { run } = stage({ call: "remove", error });
  const outcome = await run({ kind: "remove-pod", pod: POD, because: "nobody is on it" });
  expect(outcome).toEqual({ kind: "failed", error, count: 0 });
});

test("a process that does not lead any more does nothing", async () => {
  const { calls, run, stop } = stage();
  stop();
  const outcome = await run({ kind: "remove-pod", pod: POD, because: "nobody is on it" });
  expect(outcome).toEqual({ kind: "not-leading", count: 0 });
  expect(calls).toEqual([]);
});

test("a pod is deleted only as it was seen", async () => {
  const { calls, run } = stage();
  await run({ kind: "remove-pod", pod: POD, because: "nobody is on it" });
  expect(calls).toEqual([
    'remove /api/v1/namespaces/live/pods/p1 {"uid":"u1","resourceVersion":"7"}',
  ]);
});

test("a revision is made from its template, or its ReplicaSet is changed as it was seen", async () => {
  const { calls, run } = stage();
  await run(
    { kind: "scale-revision", revision: "r2", replicas: 3 },
    { kind: "scale-revision", revision: "r1", replicas: 1, resourceVersion: "4" },
  );
  const path = "/apis/apps/v1/namespaces/live/replicasets";
  expect(calls).toEqual([
    `create ${path} {"made":3}`,
    `merge ${path}/rt-r1 {"metadata":{"resourceVersion":"4"},"spec":{"replicas":1}}`,
  ]);
  expect(await run({ kind: "scale-revision", revision: "r9", replicas: 1 })).toMatchObject({
    kind: "overtaken",
  });
});

const PROTECTION: Action = { kind: "set-protection", pod: POD, isProtected: false };
test.each<[string, Error | undefined, readonly string[]]>([
  ["all is done", undefined, ["set-protection done", "remove-pod done"]],
  [
    "somebody wrote first: what is behind it is not tried",
    new KubeApiError("changed", { status: 409, reason: "Conflict" }),
    ["set-protection overtaken"],
  ],
  [
    "the API server is away",
    new KubeApiError("away", { status: 0, reason: "Unreachable" }),
    ["set-protection failed"],
  ],
])("what became of each action is told: %s", async (_what, error, told) => {
  const { became, run } = stage(error === undefined ? {} : { call: "merge", error });
  await run(PROTECTION, { kind: "remove-pod", pod: POD, because: "nobody is on it" });
  expect(became).toEqual([...told]);
});

test("an order that nobody took is told as such", async () => {
  const error = new PlaneError("unreachable", "nobody");
  const { became, run } = stage({ call: "drain", error });
  await run({ kind: "order-drain", pod: POD, mark: MARK }, PROTECTION);
  expect(became).toEqual(["order-drain unanswered", "set-protection done"]);
});

test("a pod is not ordered again to keep what it is about to keep", async () => {
  const { calls, run } = stage();
  const shed = (sessionsKept: number): Action => ({
    ...{ kind: "shed", pod: POD, sessionsKept, toRevision: "r2" },
  });
  await run(shed(7), shed(8));
  expect(calls).toEqual(['shed 10.0.0.7 {"keep":8,"toRevision":"r2","windowMs":9000}']);
});

test("pods that are silent keep nothing waiting, and 32 orders run at a time", async () => {
  const pending: ((error: PlaneError) => void)[] = [];
  const writes: string[] = [];
  const became: string[] = [];
  const silent = () => new Promise<void>((_, reject) => pending.push(reject));
  const unused = () => Promise.reject(new Error("not called"));
  const target: Target = {
    ...{ namespace: "live", planes: { ask: unused, drain: silent, serve: silent, shed: silent } },
    ...{ windowMs: 1, place: (uid) => ({ uid, address: "10.0.0.7" }), markOf: () => MARK },
    ...{ isShedding: () => false, replicaSet: () => undefined, manifest: () => undefined },
    ...{ writeStatus: async () => void writes.push("status"), event: () => {} },
  };
  const orders = Array.from({ length: 40 }, (_, at): Action => {
    return { kind: "order-drain", pod: { ...POD, uid: `u${at}` }, mark: MARK };
  });
  const done = carryOut([...orders, PROTECTION], target, {
    api: {
      create: unused,
      remove: unused,
      merge: async () => {
        writes.push("merge");
        return {};
      },
    },
    ...{ mayAct: () => true, acted: (kind, outcome) => became.push(`${kind} ${outcome}`) },
  });
  const turns = async () => {
    for (let i = 0; i < 200; i++) await undefined;
  };
  await turns();
  expect(pending).toHaveLength(32);
  for (const give of pending.splice(0, 8)) give(new PlaneError("unreachable", "nobody"));
  await turns();
  expect(writes).toEqual(["merge"]);
  for (const give of pending) give(new PlaneError("unreachable", "nobody"));
  expect(await done).toEqual({ kind: "done", count: 1 });
  expect(became.filter((one) => one === "order-drain unanswered")).toHaveLength(40);
});
