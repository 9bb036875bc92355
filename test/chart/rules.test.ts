// Checks the rules that definitions state in CEL over everything that the chart renders; a schema
// alone does not see them.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../patience.ts";
import { CASES } from "./cases.ts";
import { judgeForms } from "./forms.ts";
import { type KubeObject, objects, type Values } from "./helm.ts";
import { judge, judgeBy } from "./rules.ts";

setDefaultTimeout(patience(60_000));

test("every object of every case keeps the rules of its definition", async () => {
  const judged = [];
  for (const { source } of CASES)
    for (const object of await objects(source)) judged.push(await judge(object));
  expect(judged.flatMap(({ broken }) => broken)).toEqual([]);
  expect(judged.reduce((sum, { evaluated }) => sum + evaluated, 0)).toBeGreaterThan(200);
});

test("names, labels, quantities and ports of every case have their form", async () => {
  const judged = [];
  for (const { source } of CASES)
    for (const object of await objects(source)) judged.push(judgeForms(object));
  expect(judged.flatMap(({ broken }) => broken)).toEqual([]);
  expect(judged.reduce((sum, { judged: count }) => sum + count, 0)).toBeGreaterThan(3000);
});

describe("a form notices", () => {
  const metadata = { name: "x" };
  const metric = { selector: { matchLabels: { job: "live/rt-holdfast" } } };
  const container = { resources: { limits: { memory: "1 Gi" } } };
  const BROKEN: readonly (readonly [string, Values, string])[] = [
    ["a label's value with a slash", { spec: { metrics: [{ external: { metric } }] } }, "job"],
    ["a label of 64 characters", { metadata: { name: "x", labels: { a: "b".repeat(64) } } }, "bbb"],
    ["a name with capitals", { metadata: { name: "Holdfast" } }, "metadata.name"],
    ["a quantity with a space", { metadata, spec: { containers: [container] } }, "1 Gi"],
    ["a port's name of 16 characters", { metadata, ports: [{ name: "a".repeat(16) }] }, "ports.0"],
    ["a port above the last", { metadata, ports: [{ port: 70_000 }] }, "70000"],
    ["an annotation that is a number", { metadata: { name: "x", annotations: { a: 1 } } }, "{"],
    ["a budget of a word", { kind: "PodDisruptionBudget", spec: { maxUnavailable: "all" } }, "all"],
  ];
  test.each(BROKEN)("%s", (_name, object, text) => {
    const { broken } = judgeForms({ apiVersion: "v1", kind: "Pod", metadata, ...object });
    expect(broken).toEqual([expect.stringContaining(text)]);
  });
});

describe("a rule notices", () => {
  const metadata = { name: "x" };
  const BROKEN: readonly (readonly [string, KubeObject, string])[] = [
    [
      "a timeout of Istio's that is 0",
      {
        apiVersion: "networking.istio.io/v1",
        kind: "VirtualService",
        metadata,
        spec: { hosts: ["h"], http: [{ timeout: "0s" }] },
      },
      ".spec.http[0].timeout: must be a valid duration greater than 1ms",
    ],
    [
      "a backend's timeout that is longer than the request's",
      {
        apiVersion: "gateway.networking.k8s.io/v1",
        kind: "HTTPRoute",
        metadata,
        spec: { rules: [{ timeouts: { request: "1s", backendRequest: "2s" } }] },
      },
      "backendRequest timeout cannot be longer than request timeout",
    ],
    [
      "a Service without a port, whose kind is a default",
      {
        apiVersion: "gateway.networking.k8s.io/v1",
        kind: "HTTPRoute",
        metadata,
        spec: { rules: [{ backendRefs: [{ name: "s" }] }] },
      },
      "Must have port for Service reference",
    ],
    [
      "fewer pods at most than at least",
      {
        apiVersion: "keda.sh/v1alpha1",
        kind: "ScaledObject",
        metadata,
        spec: { minReplicaCount: 3, maxReplicaCount: 2, scaleTargetRef: {}, triggers: [] },
      },
      "minReplicaCount must be less than or equal to maxReplicaCount",
    ],
  ];
  test.each(BROKEN)("%s", async (_name, object, text) => {
    expect((await judge(object)).broken).toContainEqual(expect.stringContaining(text));
  });
});

test("a rule that cannot be evaluated counts as broken", () => {
  const schema = { type: "object", "x-kubernetes-validations": [{ rule: "self.a.b > 1" }] };
  expect(judgeBy(schema, { a: "text" }).broken).toEqual([expect.stringContaining("not evaluated")]);
});
