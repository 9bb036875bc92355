// Checks that whatever values are given the chart keeps to its policies, and that the policies
// notice what breaks them.
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../patience.ts";
import { BASE, CASES, merged } from "./cases.ts";
import { helmVersion, type KubeObject, objects, type Values } from "./helm.ts";
import { POLICIES, podOf } from "./policy.ts";

setDefaultTimeout(patience(60_000));

let renderings: readonly (readonly KubeObject[])[] = [];

beforeAll(async () => {
  renderings = [];
  for (const { source } of CASES) renderings = [...renderings, await objects(source)];
});

test.each(Object.entries(POLICIES))("%s", (_name, policy) => {
  expect(renderings.flatMap((all) => all.flatMap((object) => policy(object, all)))).toEqual([]);
});

describe("a policy notices", () => {
  const BROKEN: readonly (readonly [string, (deployment: string) => string])[] = [
    [
      "pods run as",
      (text) => text.replace('"runAsNonRoot":true,"runAsUser":65532', '"runAsUser":0'),
    ],
    [
      "containers have no capabilities",
      (text) => text.replace('"readOnlyRootFilesystem":true', '"readOnlyRootFilesystem":false'),
    ],
    ["containers state", (text) => text.replace('"limits":', '"limit":')],
    ["images have", (text) => text.replace("holdfast:0.1.0", "holdfast:latest")],
    [
      "no token",
      (text) =>
        text.replace('"automountServiceAccountToken":false', '"automountServiceAccountToken":true'),
    ],
    ["nothing of the machine", (text) => text.replace('"configMap":', '"hostPath":')],
    [
      "secrets are references",
      (text) =>
        text.replace(
          /"name":"HOLDFAST_AUTH_RESUME_SECRET",/,
          '"name":"HOLDFAST_AUTH_RESUME_SECRET","value":"x",',
        ),
    ],
    ["everything is labelled", (text) => text.replace('"helm.sh/chart":', '"chart":')],
    ["fields are stated", (text) => text.replace('"minReadySeconds":10,', "")],
    ["fields are stated", (text) => text.replace('"terminationGracePeriodSeconds":85,', "")],
    [
      "the chart makes no secrets",
      (text) => text.replace('"kind":"Deployment"', '"kind":"ClusterRole"'),
    ],
  ];
  test.each(BROKEN)("%s: broken on purpose", async (name, breakIt) => {
    const all = await objects({ values: BASE });
    const deployment = all.find(({ kind }) => kind === "Deployment");
    const broken: KubeObject = JSON.parse(breakIt(JSON.stringify(deployment)));
    const [, policy] = Object.entries(POLICIES).find(([known]) => known.startsWith(name)) ?? [];
    expect(policy?.(broken, all)).not.toEqual([]);
    expect(JSON.stringify(broken)).not.toBe(JSON.stringify(deployment));
  });
});

test("a node's probes ask the internal listener, and only readiness depends on the broker", () => {
  for (const all of renderings) {
    const node = all.find(
      ({ kind, metadata }) =>
        /Deployment|StatefulSet|RealtimeSet/.test(kind) && !metadata.name.endsWith("valkey"),
    );
    const [container] = node === undefined ? [] : (podOf(node)?.containers ?? []);
    expect(container).toMatchObject({
      startupProbe: { httpGet: { path: "/livez", port: "internal" } },
      readinessProbe: { httpGet: { path: "/readyz", port: "internal" } },
      livenessProbe: { httpGet: { path: "/livez", port: "internal" } },
    });
  }
});

test("only the Service for monitoring has the internal port", () => {
  const services = renderings.flat().filter(({ kind }) => kind === "Service");
  const internal = services.filter(({ spec }) => JSON.stringify(spec).includes("9000"));
  expect(
    new Set(internal.map(({ metadata }) => metadata.labels?.["app.kubernetes.io/component"])),
  ).toEqual(new Set(["nodes"]));
});

test("the test's pod is gone after the test if helm reads its log first, as Helm 4 does", async () => {
  const version = await helmVersion();
  const policies = renderings.flat().flatMap(({ kind, metadata }) => {
    const annotations = Object(metadata.annotations) as Readonly<Record<string, string>>;
    return kind === "Pod" ? [annotations["helm.sh/hook-delete-policy"]] : [];
  });
  const after = version.startsWith("v3.") ? "" : ",hook-succeeded,hook-failed";
  expect(new Set(policies)).toEqual(new Set([`before-hook-creation${after}`]));
});

describe("pods of a machine that is gone are replaced soon", () => {
  const seconds = async (values: Values) => {
    const all = await objects({ values: merged(BASE, values) });
    const pod = all
      .filter(({ kind }) => /^(Deployment|StatefulSet)$/.test(kind))
      .flatMap((object) => podOf(object) ?? [])[0];
    return (pod?.tolerations ?? []).map(({ key, tolerationSeconds }) => [key, tolerationSeconds]);
  };
  const unreachable = "node.kubernetes.io/unreachable";
  const notReady = "node.kubernetes.io/not-ready";
  const ROWS: readonly (readonly [string, Values, unknown])[] = [
    [
      "after 30 s",
      {},
      [
        [notReady, 30],
        [unreachable, 30],
      ],
    ],
    ["as the cluster says", { scheduling: { unreachableSeconds: null } }, []],
    ["not those of a StatefulSet, which wait for the machine", { kind: "StatefulSet" }, []],
    [
      "beside a toleration of the values",
      { scheduling: { tolerations: [{ key: "spot", operator: "Exists" }] } },
      [
        ["spot", undefined],
        [notReady, 30],
        [unreachable, 30],
      ],
    ],
    [
      "as the values say",
      {
        scheduling: {
          tolerations: [{ key: unreachable, operator: "Exists", tolerationSeconds: 90 }],
        },
      },
      [
        [unreachable, 90],
        [notReady, 30],
      ],
    ],
    [
      "never, if the values tolerate everything",
      { scheduling: { tolerations: [{ operator: "Exists" }] } },
      [[undefined, undefined]],
    ],
  ];
  test.each(ROWS)("%s", async (_name, values, wanted) => {
    expect(await seconds(values)).toEqual(wanted as never);
  });
});
