import { expect, test } from "bun:test";
import { type Json, KubeApiError } from "@holdfast/kube";
import type { Action, DrainMark } from "@holdfast/operator";
import { type CarryOutNeeds, carryOut, type Target } from "./carry-out.ts";
import { OrderPace } from "./order-pace.ts";
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
    ...{ planes, pace: new OrderPace(() => 0) },
    windowMs: 9000,
    place: (uid) => (uid === "u1" ? { uid, address: "10.0.0.7" } : undefined),
    markOf: () => failing.mark,
    tokenOf: () => 12,
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
  expect(calls).toEqual(['shed 10.0.0.7 {"keep":8,"toRevision":"r2","windowMs":9000,"token":12}']);
});

/** Orders and a write, to pods of which each order waits until a test says what became of it. */
function crowd(count: number) {
  const pending: { readonly uid: string; end(error?: PlaneError): void }[] = [];
  const writes: string[] = [];
  const became: string[] = [];
  let nowMs = 0;
  const ask = ({ uid }: { readonly uid: string }) =>
    new Promise<void>((resolve, reject) =>
      pending.push({ uid, end: (error) => (error === undefined ? resolve() : reject(error)) }),
    );
  const unused = () => Promise.reject(new Error("not called"));
  const target: Target = {
    ...{ namespace: "live", planes: { ask: unused, drain: ask, serve: ask, shed: ask } },
    pace: new OrderPace(() => nowMs),
    ...{ windowMs: 1, place: (uid) => ({ uid, address: "10.0.0.7" }), markOf: () => MARK },
    ...{ tokenOf: () => 1, isShedding: () => false, replicaSet: () => undefined },
    ...{ manifest: () => undefined },
    ...{ writeStatus: async () => void writes.push("status"), event: () => {} },
  };
  const orders = Array.from({ length: count }, (_, at): Action => {
    return { kind: "order-drain", pod: { ...POD, uid: `u${at}` }, mark: MARK };
  });
  const merge = async () => {
    writes.push("merge");
    return {};
  };
  return {
    ...{ pending, writes, became },
    pass: (ms: number) => {
      nowMs += ms;
    },
    /** Everything that can happen without an answer has happened then. */
    turns: () => new Promise((resolve) => setImmediate(resolve)),
    look: () =>
      carryOut([...orders, PROTECTION], target, {
        api: { create: unused, remove: unused, merge },
        ...{ mayAct: () => true, acted: (kind, outcome) => became.push(`${kind} ${outcome}`) },
      }),
  };
}
const nobody = () => new PlaneError("unreachable", "nobody");

test("pods that are silent keep nothing waiting, and 32 orders run at a time", async () => {
  const { pending, writes, became, turns, look } = crowd(40);
  const done = look();
  await turns();
  expect(pending).toHaveLength(32);
  for (const { end } of pending.splice(0, 8)) end(nobody());
  await turns();
  expect(writes).toEqual(["merge"]);
  for (const { end } of pending) end(nobody());
  expect(await done).toEqual({ kind: "done", count: 1 });
  expect(became.filter((one) => one === "order-drain unanswered")).toHaveLength(40);
});

test("a hundred silent pods do not keep a look waiting, and each has its turn", async () => {
  const { pending, writes, turns, pass, look } = crowd(100);
  const asked = new Map<string, number>();
  /** Looks a second apart; every order ends after 3 s. How long the longest look took. */
  let longest = 0;
  for (let looks = 0; looks < 30; looks++) {
    let isDone = false;
    const done = look().then(() => {
      isDone = true;
    });
    let seconds = 0;
    await turns();
    while (!isDone && pending.length > 0) {
      seconds += 3;
      pass(3000);
      for (const { uid, end } of pending.splice(0)) {
        asked.set(uid, (asked.get(uid) ?? 0) + 1);
        end(nobody());
      }
      await turns();
    }
    await done;
    longest = Math.max(longest, seconds);
    expect(writes).toHaveLength(looks + 1);
    pass(1000);
  }
  expect(longest).toBeLessThanOrEqual(6);
  expect(asked.size).toBe(100);
  expect(Math.min(...asked.values())).toBeGreaterThan(1);
});

test("a pod that speaks again gets its orders at once", async () => {
  const { pending, turns, pass, look } = crowd(1);
  const given = async (error?: PlaneError): Promise<number> => {
    const done = look();
    await turns();
    const count = pending.length;
    for (const { end } of pending.splice(0)) end(error);
    await done;
    return count;
  };
  expect([await given(nobody()), await given()]).toEqual([1, 0]);
  pass(2000);
  expect(await given()).toBe(1);
  expect([await given(new PlaneError("refused", "no")), await given()]).toEqual([1, 1]);
});
