import { expect, test } from "bun:test";
import { type Json, KubeApiError } from "@holdfast/kube";
import { adopt, isOrphanOf } from "./adoption.ts";

const OWNER = {
  ...{ name: "rt", namespace: "live", uid: "set-1", revision: "r1" },
  ...{ selector: { app: "rt" }, template: {} },
};
const deployment = (deletionTimestamp?: string): Json => ({
  metadata: {
    ...{ name: "old", uid: "d-1", deletionTimestamp },
    annotations: { "holdfast.dev/adopt": "true" },
  },
  spec: { selector: { matchLabels: { app: "rt" } } },
});
const replicaSet = (more: Json = {}, labels: Json = {}): Json => ({
  metadata: {
    ...{ name: "old-abc", uid: "rs-1" },
    labels: { app: "rt", "pod-template-hash": "abc", "holdfast.dev/set": "rt", ...labels },
    ...more,
  },
});
const OF_DEPLOYMENT = { ownerReferences: [{ uid: "d-1", controller: true }] };

/** What the API server has; notes the writes. */
function server(deployments: readonly Json[] | KubeApiError, replicaSets: readonly Json[]) {
  const writes: string[] = [];
  const items = (path: string): readonly Json[] => {
    if (path.endsWith("/replicasets")) return replicaSets;
    if (!path.endsWith("/deployments")) return [];
    if (deployments instanceof KubeApiError) throw deployments;
    return deployments;
  };
  const api: Parameters<typeof adopt>[0] = {
    list: async (path) => ({ items: items(path), resourceVersion: "1" }),
    merge: async (path) => {
      writes.push(`merge ${path.split("/").at(-1)}`);
      return {};
    },
    remove: async (path) => void writes.push(`remove ${path.split("/").at(-1)}`),
  };
  return { api, writes };
}

test("a Deployment is marked, deleted without its pods, and its ReplicaSets are taken", async () => {
  const first = server([deployment()], [replicaSet(OF_DEPLOYMENT)]);
  expect(await adopt(first.api, OWNER)).toEqual({ deployment: "old", replicaSets: 1 });
  expect(first.writes).toEqual(["merge old-abc", "remove old"]);
  const then = server([], [replicaSet()]);
  expect(await adopt(then.api, OWNER)).toEqual({ deployment: "", replicaSets: 1 });
  expect(then.writes).toEqual(["merge old-abc"]);
});

test("it is not over while the deleted Deployment owns its ReplicaSets still", async () => {
  const going = server([deployment("2026-11-29T10:00:00Z")], [replicaSet(OF_DEPLOYMENT)]);
  expect(await adopt(going.api, OWNER)).toEqual({ deployment: "", replicaSets: 0 });
  expect(going.writes).toEqual([]);
});

test("an operator without a right to Deployments takes none over, and goes on", async () => {
  const forbidden = new KubeApiError("forbidden", { status: 403, reason: "Forbidden" });
  expect(await adopt(server(forbidden, []).api, OWNER)).toBeUndefined();
  const away = new KubeApiError("away", { status: 503, reason: "Unavailable" });
  await expect(adopt(server(away, []).api, OWNER)).rejects.toBe(away);
});

test.each<[string, Json]>([
  ["somebody owns it", replicaSet(OF_DEPLOYMENT)],
  ["it was marked for another set", replicaSet({}, { "holdfast.dev/set": "other" })],
  ["its pods are not selected", replicaSet({}, { app: "other" })],
  ["it has no revision", replicaSet({}, { "pod-template-hash": undefined })],
  ["it is being deleted", replicaSet({ deletionTimestamp: "2026-11-29T10:00:00Z" })],
])("a ReplicaSet is not taken if %s", (_, one) => expect(isOrphanOf(one, OWNER)).toBe(false));
