// Checks the rules that definitions state in CEL over everything that the chart renders; a schema
// alone does not see them.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../patience.ts";
import { CASES } from "./cases.ts";
import { type KubeObject, objects } from "./helm.ts";
import { judge, judgeBy } from "./rules.ts";

setDefaultTimeout(patience(60_000));

test("every object of every case keeps the rules of its definition", async () => {
  const judged = [];
  for (const { source } of CASES)
    for (const object of await objects(source)) judged.push(await judge(object));
  expect(judged.flatMap(({ broken }) => broken)).toEqual([]);
  expect(judged.reduce((sum, { evaluated }) => sum + evaluated, 0)).toBeGreaterThan(200);
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
