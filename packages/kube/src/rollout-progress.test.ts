// Checks when a release counts as done: not before the last old pod is gone.
import { expect, test } from "bun:test";
import type { Json } from "./reading.ts";
import { rolloutProgress } from "./rollout-progress.ts";

const DONE = { replicas: 3, updatedReplicas: 3, availableReplicas: 3, observedGeneration: 2 };
const deployment = (status: Json, spec: Json = {}): Json => ({
  metadata: { generation: 2 },
  spec: { replicas: 3, ...spec },
  status: { ...DONE, ...status },
});
const stateful = (status: Json): Json => ({
  metadata: { generation: 2 },
  spec: { replicas: 3, updateStrategy: { type: "RollingUpdate" } },
  status: { replicas: 3, readyReplicas: 3, observedGeneration: 2, ...status },
});
const ending = (name: string): Json => ({ metadata: { name, deletionTimestamp: "now" } });
const gaveUp = { conditions: [{ type: "Progressing", reason: "ProgressDeadlineExceeded" }] };

const ROWS: readonly (readonly [string, Json, readonly Json[], string, string])[] = [
  ["all are new and serve", deployment({}), [], "done", "3 new pods serve"],
  [
    "an old pod drains",
    deployment({}),
    [ending("old-1")],
    "going",
    "3 of 3 pods are new, 3 serve, 1 drains (old-1)",
  ],
  [
    "many old pods drain",
    deployment({}),
    ["a", "b", "c", "d", "e", "f"].map(ending),
    "going",
    "6 drain (a, b, c, d and 2 more)",
  ],
  [
    "pods are replaced",
    deployment({ replicas: 4, updatedReplicas: 1, availableReplicas: 3 }),
    [],
    "going",
    "1 of 3 pods are new, 3 serve, 3 old ones are to be replaced",
  ],
  ["a new pod does not serve yet", deployment({ availableReplicas: 2 }), [], "going", "2 serve"],
  [
    "the controller is behind",
    deployment({ observedGeneration: 1 }),
    [],
    "going",
    "has not seen the change",
  ],
  [
    "it is paused half-way",
    deployment({ updatedReplicas: 1 }, { paused: true }),
    [],
    "paused",
    "1 of 3",
  ],
  [
    "it was paused when only the drain of an old pod was left",
    deployment({}, { paused: true }),
    [ending("old-1")],
    "going",
    "1 drains",
  ],
  ["it was paused when all was done", deployment({}, { paused: true }), [], "done", "3 new"],
  [
    "the controller gave up",
    deployment({ updatedReplicas: 1, availableReplicas: 3, replicas: 4, ...gaveUp }),
    [],
    "stuck",
    "1 of 3",
  ],
  ["it gave up once and was repaired", deployment(gaveUp), [], "done", "3 new"],
  ["nothing is wanted", deployment({ replicas: 0 }, { replicas: 0 }), [], "done", "0 new pods"],
  [
    "a StatefulSet is done",
    stateful({ currentRevision: "b", updateRevision: "b" }),
    [],
    "done",
    "3 new pods serve",
  ],
  [
    "a StatefulSet replaces its pods",
    stateful({ currentRevision: "a", updateRevision: "b", updatedReplicas: 1 }),
    [],
    "going",
    "1 of 3 pods are new, 3 serve, 2 old ones are to be replaced",
  ],
];

test.each(ROWS)("%s", (_name, workload, pods, state, words) => {
  const progress = rolloutProgress(workload, pods);
  expect(progress.state).toBe(state as never);
  expect(progress.text).toContain(words);
});
