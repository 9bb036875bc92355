import { expect, test } from "bun:test";
import { type Json, type KubeApi, KubeApiError } from "@holdfast/kube";
import type { Desired, Observed, Status } from "@holdfast/operator";
import { Bookkeeping } from "./bookkeeping.ts";
import type { OperatorEvents } from "./events.ts";
import type { Scene } from "./set-scene.ts";

const OWNER = {
  ...{ name: "rt", namespace: "live", uid: "set-1", revision: "b" },
  ...{ selector: { app: "rt" }, template: {} },
};
const refused = (status: number, reason: string) => new KubeApiError(reason, { status, reason });

/** An API server whose answers a test gives; notes the writes. */
function stage(given: {
  readonly budget?: Json;
  readonly refusals?: Record<string, KubeApiError>;
  readonly releases?: readonly Json[];
}) {
  const calls: string[] = [];
  const failed: string[] = [];
  const merged: Json[] = [];
  const call = async (verb: string, path: string): Promise<Json> => {
    const name = `${verb} ${path.split("/").slice(-2).join("/")}`;
    calls.push(name);
    const error = given.refusals?.[name];
    if (error !== undefined) throw error;
    return {};
  };
  const api: KubeApi = {
    get: async (path) => {
      await call("get", path);
      if (given.budget === undefined) throw refused(404, "NotFound");
      return given.budget;
    },
    list: async () => ({ items: [], resourceVersion: "1" }),
    preview: async () => ({}),
    create: async (path, body) => {
      await call("create", path);
      return { ...body, metadata: { ...(body.metadata as Json), resourceVersion: "new" } };
    },
    merge: (path, patch) => {
      merged.push(patch);
      return call("merge", path);
    },
    apply: (path) => call("apply", path),
    replace: (path) => call("replace", path),
    remove: async (path) => void (await call("remove", path)),
  };
  const books = new Bookkeeping({
    ...{ api, releases: () => given.releases ?? [], nowMs: () => 0, wallMs: () => 0 },
    events: { failed: (what: string) => failed.push(what) } as unknown as OperatorEvents,
  });
  return { books, calls, failed, merged };
}

const budget = (metadata: Json): Json => ({ metadata: { name: "rt-protected", ...metadata } });

test.each<[string, Json | undefined]>([
  ["none is there", undefined],
  ["it is the set's", budget({ ownerReferences: [{ uid: "set-1", controller: true }] })],
  ["an earlier set left it", budget({ labels: { "holdfast.dev/set": "rt" } })],
])("the budget is written if %s", async (_, there) => {
  const { books, calls } = stage(there === undefined ? {} : { budget: there });
  expect(await books.keepBudget(OWNER)).toBeUndefined();
  expect(calls.at(-1)).toBe("apply poddisruptionbudgets/rt-protected");
});

test("somebody else's budget of the same name is left alone, and told", async () => {
  const { books, calls } = stage({ budget: budget({ labels: { app: "theirs" } }) });
  expect(await books.keepBudget(OWNER)).toContain("belongs to somebody else");
  expect(calls).toEqual(["get poddisruptionbudgets/rt-protected"]);
});

test("a policy that refuses the budget does not end the work on the set", async () => {
  const path = "apply poddisruptionbudgets/rt-protected";
  const forbidden = stage({ refusals: { [path]: refused(403, "Forbidden") } });
  expect(await forbidden.books.keepBudget(OWNER)).toContain("Forbidden");
  const away = refused(503, "Unavailable");
  await expect(stage({ refusals: { [path]: away } }).books.keepBudget(OWNER)).rejects.toBe(away);
});

test("a record that is refused keeps neither status nor commands from being written", async () => {
  const path = "create live/realtimereleases";
  const { books, calls, failed } = stage({ refusals: { [path]: refused(403, "Forbidden") } });
  await books.tidyUp(releasing(), false);
  expect(failed).toEqual(["keeping records"]);
  expect(calls).toEqual([path, "replace rt/status"]);
});

test("a record is written only as it was read: an old leader's late write opens none again", async () => {
  const metadata = {
    name: "rt-7",
    resourceVersion: "70",
    ownerReferences: [{ uid: "set-1", controller: true }],
  };
  const record: Json = { metadata, spec: { from: "a", to: "b" }, status: { phase: "RollingBack" } };
  const known = stage({ releases: [record] });
  await known.books.tidyUp(releasing(), true);
  expect(known.calls).toEqual(["merge rt-7/status"]);
  expect(known.merged).toMatchObject([{ metadata: { resourceVersion: "70" } }]);
  const made = stage({});
  await made.books.tidyUp(releasing(), true);
  expect(made.calls).toEqual(["create live/realtimereleases", "merge rt-1/status"]);
  expect(made.merged).toMatchObject([{ metadata: { resourceVersion: "new" } }]);
});

test.each([
  ["nobody states one", {}, [{ spec: { replicas: 1 } }]],
  ["somebody states one", { replicas: 3 }, []],
  ["its own autoscaling reads none", { autoscaling: {} }, []],
])("the number of pods is written for autoscalers to read: %s", async (_, spec, writes) => {
  const { books, merged } = stage({});
  const scene = releasing();
  const set = {
    ...scene.set,
    spec: { selector: { matchLabels: {} }, ...spec },
  } as typeof scene.set;
  await books.tidyUp({ ...scene, set }, false);
  expect(merged.filter((patch) => "spec" in patch)).toMatchObject(writes);
});

/** A set in the midst of a release. */
function releasing(): Scene {
  const status: Status = {
    ...{ stable: "a", rejected: [], condition: "Progressing", message: "" },
    release: { to: "b", from: "a", phase: "advancing", step: 0, progress: "" },
  };
  const observed: Observed = {
    ...{ pods: [], replicaSets: [], machines: [], status, resourceVersion: "1" },
    ...{ leaderEpoch: 1, progressWatchedMs: 0, announcedConnections: 0, lagMs: 0 },
  };
  const desired = { replicas: 1, release: { strategy: { kind: "Rolling" } } } as Desired;
  const spec = { replicas: 1, releaseHistoryLimit: 10, selector: { matchLabels: {} } };
  const set = { ...{ name: "rt", namespace: "live", commands: {}, generation: 2 }, spec };
  return {
    ...{ stored: { metadata: { resourceVersion: "1" } }, set, owner: OWNER, observed, desired },
    ...{ pods: [], replicaSets: [], updatedRevision: "b" },
  } as unknown as Scene;
}
