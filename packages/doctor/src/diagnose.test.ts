// Checks that no YAML makes the doctor throw: random text, random manifests, and real ones with
// random holes.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { readManifests } from "@holdfast/kube";
import { NODE_OPTIONS } from "@holdfast/server/options";
import fc from "fast-check";
import { parseAllDocuments, stringify } from "yaml";
import { patience } from "../../../test/patience.ts";
import { diagnose, findingsOf } from "./diagnose.ts";
import { renderJson, renderSarif } from "./report-data.ts";
import { renderText } from "./report-text.ts";

setDefaultTimeout(patience(20_000));

function everything(text: string): void {
  const { objects, unread } = readManifests(text, "x.yaml");
  const diagnosis = diagnose(objects, { nodeOptions: NODE_OPTIONS, drainSeconds: 10 }, unread);
  renderText(diagnosis, { colors: true, patches: true, least: "info" });
  JSON.parse(renderJson(diagnosis));
  JSON.parse(renderSarif(diagnosis, "0"));
  for (const { place } of findingsOf(diagnosis)) expect(place.line).toBeGreaterThan(0);
}

const KINDS = [
  ["apps/v1", "Deployment"],
  ["apps/v1", "StatefulSet"],
  ["argoproj.io/v1alpha1", "Rollout"],
  ["v1", "Service"],
  ["v1", "ConfigMap"],
  ["v1", "List"],
  ["serving.knative.dev/v1", "Service"],
  ["networking.k8s.io/v1", "Ingress"],
  ["networking.k8s.io/v1", "NetworkPolicy"],
  ["policy/v1", "PodDisruptionBudget"],
  ["autoscaling/v2", "HorizontalPodAutoscaler"],
  ["keda.sh/v1alpha1", "ScaledObject"],
  ["holdfast.dev/v1alpha1", "RealtimeSet"],
  ["holdfast.dev/v1alpha1", "RealtimeRelease"],
  ["coordination.k8s.io/v1", "Lease"],
  ["apiextensions.k8s.io/v1", "CustomResourceDefinition"],
  ["gateway.networking.k8s.io/v1", "HTTPRoute"],
  ["gateway.networking.k8s.io/v1", "Gateway"],
  ["gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy"],
  ["networking.istio.io/v1", "VirtualService"],
  ["networking.istio.io/v1", "DestinationRule"],
] as const;
/** Words that rules look at, so that random values reach them. */
const FIELDS = [
  "spec",
  "metadata",
  "name",
  "template",
  "containers",
  "env",
  "value",
  "selector",
  "app",
  "replicas",
  "ports",
  "port",
  "rules",
  "http",
  "paths",
  "backend",
  "service",
  "minAvailable",
  "maxUnavailable",
  "strategy",
  "type",
  "rollingUpdate",
  "annotations",
  "labels",
  "data",
  "mesh",
  "items",
  "lifecycle",
  "preStop",
  "timeouts",
  "backendRefs",
  "parentRefs",
  "metrics",
  "behavior",
  "scaleDown",
  "policies",
  "scaleTargetRef",
  "trafficPolicy",
  "connectionPool",
  "__proto__",
  "constructor",
];
const WORDS = [
  "Deployment",
  "x",
  "1",
  "5s",
  "100%",
  "LoadBalancer",
  "RollingUpdate",
  "",
  "HOLDFAST_DRAIN_WINDOW_MS",
  "proxyMetadata: {",
  "true",
  "-1",
];

const leaf = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.string(),
);
const tree = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 7, withCrossShrink: true },
    leaf,
    fc.array(tie("node"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...FIELDS), tie("node"), { maxKeys: 5 }),
  ),
})).node;

/** Walks down by the turns, each a choice among what is there, and puts the value where it ends. */
function disturb(root: unknown, turns: readonly number[], value: unknown): void {
  let here = root;
  for (const [index, turn] of turns.entries()) {
    if (typeof here !== "object" || here === null) return;
    const keys = Object.keys(here);
    const key = keys[turn % Math.max(1, keys.length)];
    if (key === undefined) return;
    const next: unknown = Reflect.get(here, key);
    if (index === turns.length - 1 || typeof next !== "object" || next === null) {
      Reflect.set(here, key, value);
      return;
    }
    here = next;
  }
}

describe("nothing throws on", () => {
  test("random text", () => {
    fc.assert(fc.property(fc.string({ maxLength: 300 }), everything), { numRuns: 300 });
  });

  test("random manifests", () => {
    const object = fc
      .tuple(fc.constantFrom(...KINDS), tree, tree)
      .map(([[apiVersion, kind], metadata, spec]) => ({ apiVersion, kind, metadata, spec }));
    fc.assert(
      fc.property(fc.array(object, { maxLength: 6 }), (objects) =>
        everything(objects.map((one) => stringify(one)).join("---\n")),
      ),
      { numRuns: 300 },
    );
  });

  test("manifests of the corpus with something else in a random place", () => {
    const folder = new URL("../../../test/doctor/", import.meta.url);
    const documents = [...new Bun.Glob("{bad,good}/*.yaml").scanSync(folder.pathname)]
      .sort()
      .map((name) =>
        parseAllDocuments(readFileSync(new URL(name, folder), "utf8")).map((document): unknown =>
          document.toJS(),
        ),
      );
    fc.assert(
      fc.property(
        fc.constantFrom(...documents),
        fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 10 }),
        tree,
        (objects, turns, value) => {
          const copy = structuredClone(objects);
          disturb(copy, turns, value);
          everything(copy.map((one) => stringify(one)).join("---\n"));
        },
      ),
      { numRuns: 400 },
    );
  });

  test("aliases that grow without end", () => {
    const bomb = [
      "a: &a [x,x,x,x,x,x,x,x,x,x]",
      ..."bcdefghij"
        .split("")
        .map(
          (name, index) =>
            `${name}: &${name} [${Array(10).fill(`*${"abcdefghij"[index]}`).join(",")}]`,
        ),
    ].join("\n");
    const { objects, unread } = readManifests(
      `apiVersion: v1\nkind: ConfigMap\n${bomb}`,
      "bomb.yaml",
    );
    expect(objects).toEqual([]);
    expect(unread[0]?.reason).toContain("alias");
  });
});

test("a List is read item by item, each with its own line", () => {
  const { objects } = readManifests(
    "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Service\n    metadata: { name: a }\n  - apiVersion: v1\n    kind: Service\n    metadata: { name: b }\n",
    "list.yaml",
  );
  expect(objects.map(({ name, place }) => [name, place.line])).toEqual([
    ["a", 4],
    ["b", 7],
  ]);
});

test("helm's comment names the template", () => {
  const { objects } = readManifests(
    "---\n# Source: chart/templates/a.yaml\napiVersion: v1\nkind: Service\nmetadata: { name: a }\n",
    "stdin",
  );
  expect(objects[0]?.place).toEqual({ file: "stdin", line: 3, template: "chart/templates/a.yaml" });
});
