import { expect, test } from "bun:test";
import type { Json } from "@holdfast/kube";
import { whyGone } from "./gateway-fate.ts";

const RUNS = { containerStatuses: [{ state: { running: {} } }] };
const ENDED = { containerStatuses: [{ state: { waiting: { reason: "CrashLoopBackOff" } } }] };
const pod = (name: string, machine: string, status: object): Json => ({
  metadata: { name },
  spec: { nodeName: machine },
  status: { phase: "Running", ...status },
});

const cases: readonly (readonly [string, readonly Json[], string | undefined])[] = [
  ["nobody has the address", [], undefined],
  ["its process runs", [pod("g", "well", RUNS)], undefined],
  ["its kubelet has not said yet what runs", [pod("g", "well", {})], undefined],
  ["its process ended", [pod("g", "well", ENDED)], "no container of its pod g runs"],
  [
    "its machine is silent, and says what it said last",
    [pod("g", "silent", RUNS)],
    "machine silent of its pod g says nothing to Kubernetes either",
  ],
  [
    "it is on a machine with another that runs",
    [pod("g", "well", ENDED), pod("h", "well", RUNS)],
    undefined,
  ],
  ["only ended pods had the address", [pod("g", "well", { ...ENDED, phase: "Failed" })], undefined],
  [
    "an ended pod had the address before",
    [pod("g", "well", { ...RUNS, phase: "Succeeded" }), pod("h", "well", ENDED)],
    "no container of its pod h runs",
  ],
];
test.each(cases)("%s", async (_, items, why) => {
  const asked: unknown[] = [];
  const found = await whyGone("10.0.0.9", {
    api: {
      list: async (path, query) => {
        asked.push([path, query?.fieldSelector]);
        return { items, resourceVersion: "1" };
      },
    },
    namespace: "edge",
    isMachineSilent: (machine) => machine === "silent",
  });
  expect(found).toBe(why);
  expect(asked).toEqual([["/api/v1/namespaces/edge/pods", "status.podIP=10.0.0.9"]]);
});
