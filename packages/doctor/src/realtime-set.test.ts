// Checks where findings about RealtimeSets and their operator begin and end: a good cluster, one
// change at a time.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type Json, type KubeObject, kubeObject, readManifests } from "@holdfast/kube";
import { NODE_OPTIONS } from "@holdfast/server/options";
import type { DoctorOptions } from "./cluster-snapshot.ts";
import { diagnose, findingsOf } from "./diagnose.ts";
import { merged } from "./patches.ts";

const GOOD = readManifests(
  readFileSync(new URL("../../../test/doctor/good/realtimeset.yaml", import.meta.url), "utf8"),
  "good.yaml",
).objects;

type Objects = readonly KubeObject[];

const changed = (kind: string, change: Json): Objects =>
  GOOD.map((object) =>
    object.kind === kind ? kubeObject(merged(object.body, change), object.placeOf) : object,
  );
const without = (kind: string): Objects => GOOD.filter((object) => object.kind !== kind);
const place = { file: "x", line: 1 };
const beside = (...bodies: readonly Json[]): Objects => [
  ...GOOD,
  ...bodies.map((body) => kubeObject(body, () => place)),
];

const labels = (app: string): Json => ({ matchLabels: { app } });
const deployment = (app: string, more: Json = {}, spec: Json = {}): Json => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "before", namespace: "live", ...more },
  spec: {
    selector: labels(app),
    template: { metadata: { labels: { app } }, spec: { containers: [{ name: "a" }] } },
    ...spec,
  },
});
const budget = (matchLabels: Json): Json => ({
  apiVersion: "policy/v1",
  kind: "PodDisruptionBudget",
  metadata: { name: "mine", namespace: "live" },
  spec: { maxUnavailable: 1, selector: { matchLabels } },
});
const lease = (spec: Json): Objects =>
  GOOD.map((object) =>
    object.name === "holdfast-operator" && object.kind === "Lease"
      ? kubeObject(merged(object.body, { spec }), object.placeOf)
      : object,
  );
const waiting = { conditions: [{ type: "Waiting", status: "True", message: "for places" }] };
const WHOLE = { isWhole: true };

const ROWS: readonly (readonly [
  name: string,
  objects: Objects,
  expected: readonly string[],
  options?: Partial<DoctorOptions>,
])[] = [
  ["everything as it should be", GOOD, [], WHOLE],
  ["no operator, and a part of a cluster", without("Deployment"), []],
  [
    "no operator, and all of a cluster",
    GOOD.filter(({ name }) => name !== "holdfast-operator"),
    ["operator-missing RealtimeSet/chat"],
    WHOLE,
  ],
  ["a Lease that somebody else holds, wherever he runs", without("Deployment"), [], WHOLE],
  ["a Lease that was not read", without("Lease"), []],
  [
    "a Lease that is not there",
    without("Lease"),
    ["operator-missing Deployment/holdfast-operator"],
    WHOLE,
  ],
  ["a Lease renewed 60 s ago", lease({ renewTime: "2025-12-31T23:59:30Z" }), []],
  [
    "a Lease renewed 61 s ago",
    lease({ renewTime: "2025-12-31T23:59:29Z" }),
    ["operator-missing Deployment/holdfast-operator"],
  ],
  ["a budget of other pods", beside(budget({ app: "other" })), []],
  [
    "a budget of the same pods",
    beside(budget({ app: "chat" })),
    ["pdb-twice PodDisruptionBudget/mine"],
  ],
  [
    "a budget that has the operator's name",
    changed("PodDisruptionBudget", { spec: { maxUnavailable: 1 } }),
    ["set-unprotected PodDisruptionBudget/chat-protected"],
  ],
  [
    "no budget, and an operator that has not seen the set",
    changed("RealtimeSet", { status: null }).filter(({ kind }) => kind !== "PodDisruptionBudget"),
    [],
  ],
  ["another workload", beside(deployment("other")), []],
  ["the Deployment of before", beside(deployment("chat")), ["selector-overlap Deployment/before"]],
  [
    "the Deployment of before, which is adopted",
    beside(deployment("chat", { annotations: { "holdfast.dev/adopt": "true" } })),
    [],
  ],
  ["the Deployment of before at 0", beside(deployment("chat", {}, { replicas: 0 })), []],
  [
    "the Deployment that takes the pods back",
    [
      ...beside(deployment("chat")).filter(({ kind }) => kind !== "RealtimeSet"),
      ...changed("RealtimeSet", {
        metadata: { annotations: { "holdfast.dev/hand-over": "true" } },
      }).filter(({ kind }) => kind === "RealtimeSet"),
    ],
    [],
  ],
  [
    "a release that waits",
    changed("RealtimeSet", { status: waiting }),
    ["release-stuck RealtimeSet/chat"],
  ],
  [
    "a set that waits without a release",
    changed("RealtimeSet", { status: { ...waiting, release: null } }),
    [],
  ],
  [
    "a window in which nobody can move",
    changed("RealtimeSet", { spec: { drain: { maxSeconds: 29 } } }),
    ["drain-impossible RealtimeSet/chat"],
  ],
  [
    "a window in which they move in a hurry",
    changed("RealtimeSet", { spec: { drain: { maxSeconds: 30 } } }),
    ["drain-hurried RealtimeSet/chat"],
  ],
  [
    "a window in which they move at their pace",
    changed("RealtimeSet", { spec: { drain: { maxSeconds: 39 } } }),
    [],
  ],
  [
    "a grace period that is shorter than the node's own drain",
    changed("RealtimeSet", {
      spec: { template: { spec: { terminationGracePeriodSeconds: 80 } } },
    }),
    ["grace-too-short RealtimeSet/chat"],
  ],
  [
    "KEDA that may ask for no pods at all",
    changed("ScaledObject", { spec: { minReplicaCount: 0 } }),
    [],
  ],
  [
    "an operator that sees other namespaces",
    changed("Deployment", {
      spec: {
        template: {
          spec: {
            containers: [
              {
                name: "o",
                args: ["operator"],
                env: [{ name: "HOLDFAST_OPERATOR_NAMESPACES", value: "shop" }],
              },
            ],
          },
        },
      },
    }).filter(({ kind }) => kind !== "Lease"),
    ["operator-missing RealtimeSet/chat"],
    WHOLE,
  ],
];

test.each(ROWS)("%s", (_name, objects, expected, options = {}) => {
  const found = findingsOf(diagnose(objects, { nodeOptions: NODE_OPTIONS, ...options }));
  // A Deployment of another application has findings of its own.
  const own = found.filter(
    ({ id, object }) => object.name !== "before" || id === "selector-overlap",
  );
  expect(own.map(({ id, object }) => `${id} ${object.kind}/${object.name}`)).toEqual([...expected]);
});
