import { expect, test } from "bun:test";
import type { Json } from "@holdfast/kube";
import { keptOfPod } from "./objects.ts";
import { podsOf } from "./observe.ts";

const OURS = [{ metadata: { name: "rt-r1", uid: "rs-1" } }];
const pod = (name: string, ownerReferences?: readonly Json[]): Json =>
  keptOfPod({
    metadata: { name, labels: { "holdfast.dev/set": "rt" }, ownerReferences },
    status: { podIP: "10.0.0.7" },
  });

test("a pod that no ReplicaSet of the set made is not the set's, whatever its labels say", () => {
  const pods = [
    pod("ours", [{ kind: "ReplicaSet", uid: "rs-1", controller: true }]),
    pod("nobodys"),
    pod("somebodys", [{ kind: "ReplicaSet", uid: "rs-9", controller: true }]),
    pod("pretends", [{ kind: "ReplicaSet", uid: "rs-1", controller: false }]),
  ];
  expect(podsOf(pods, OURS).map(({ name }) => name)).toEqual(["ours"]);
});
