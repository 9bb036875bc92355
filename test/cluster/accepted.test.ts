// Checks that a real API server takes all that the charts render: built-in kinds, sets and routes
// by the rules of their CRDs, and pods of all workloads where PodSecurity is restricted and a quota
// counts. Nothing is stored but the CRDs of the Gateway API, for as long as this lasts.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  createKubeApi,
  credentialsSource,
  type Json,
  type KubeApi,
  KubeApiError,
  list,
  readKubeconfig,
  record,
  text,
} from "@holdfast/kube";
import { eventually } from "@holdfast/lab";
import { kubectl } from "../../tools/cluster/control-plane.ts";
import { ensurePrograms, type Programs } from "../../tools/cluster/programs.ts";
import { PATHS } from "../../tools/cluster/settings.ts";
import { BASE, CASES, merged } from "../chart/cases.ts";
import { GATEWAY_CASES } from "../chart/gateway-cases.ts";
import { CHART, GATEWAY_CHART, type KubeObject, OPERATOR_CHART, objects } from "../chart/helm.ts";
import { patience } from "../patience.ts";

setDefaultTimeout(patience(120_000));

const NAMESPACE = "accepted";
const CRDS = join(import.meta.dir, "../../deploy/operator/crds");
/** The newest one that Go 1.26 takes. Its sum is Go's own. */
const GATEWAY_API = {
  module: "sigs.k8s.io/gateway-api@v1.5.1",
  sum: "h1:RqVRIlkhLhUO8wOHKTLnTJA6o/1un4po4/6M1nRzdd0=",
  kinds: ["gatewayclasses", "gateways", "httproutes"],
};
/** Kinds of add-ons that this cluster has not. Their schemas are checked without a cluster. */
const NOT_HERE = [
  "BackendTrafficPolicy",
  "DestinationRule",
  "EnvoyProxy",
  "GCPBackendPolicy",
  "HealthCheckPolicy",
  "PeerAuthentication",
  "PodMonitor",
  "PrometheusRule",
  "ScaledObject",
  "ServiceMonitor",
  "VirtualService",
];
/** Plurals that are not the kind with an s. */
const PLURALS: Readonly<Record<string, string>> = {
  GatewayClass: "gatewayclasses",
  Ingress: "ingresses",
  NetworkPolicy: "networkpolicies",
};
const GLOBAL = ["ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "GatewayClass"];

let programs: Programs;
let api: KubeApi;
const kube = (...args: readonly string[]): Promise<string> =>
  kubectl(programs, ["--namespace", NAMESPACE, ...args], { timeoutMs: patience(60_000) });
const kubeIn = (manifest: unknown, ...args: readonly string[]): Promise<string> =>
  kubectl(programs, ["--namespace", NAMESPACE, ...args, "-f", "-"], {
    timeoutMs: patience(60_000),
    stdin: JSON.stringify(manifest),
  });

/** Files of the CRDs, which Go's module has. */
async function gatewayDefinitions(): Promise<readonly string[]> {
  const child = Bun.spawn(["go", "mod", "download", "-json", GATEWAY_API.module], {
    cwd: import.meta.dir,
    env: { ...process.env, GOFLAGS: "-mod=mod", GOWORK: "off" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`${out}${err}`);
  const { Dir, Sum } = JSON.parse(out) as { readonly Dir: string; readonly Sum: string };
  expect(Sum).toBe(GATEWAY_API.sum);
  return GATEWAY_API.kinds.map((kind) =>
    join(Dir, `config/crd/standard/gateway.networking.k8s.io_${kind}.yaml`),
  );
}

let definitions: readonly string[] = [];

beforeAll(async () => {
  programs = await ensurePrograms();
  const access = readKubeconfig([
    { path: PATHS.kubeconfig, text: readFileSync(PATHS.kubeconfig, "utf8") },
  ]);
  api = createKubeApi(access, credentialsSource(access, { env: process.env }), {
    fieldManager: "accepted",
  });
  await kube("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait");
  await kube("create", "namespace", NAMESPACE);
  definitions = await gatewayDefinitions();
  const files = [CRDS, ...definitions].flatMap((file) => ["-f", file]);
  await kube("apply", "--server-side", "--force-conflicts", ...files);
  for (const kind of GATEWAY_API.kinds)
    await kube("wait", `crd/${kind}.gateway.networking.k8s.io`, "--for=condition=Established");
  await kube("wait", "crd/realtimesets.holdfast.dev", "--for=condition=Established");
  // Established is not yet served by every handler.
  for (const kind of GATEWAY_API.kinds.slice(1))
    await eventually(`${kind} are served`, () => isServed(kind), {
      ...{ timeoutMs: patience(30_000), everyMs: 200 },
    });
});
afterAll(async () => {
  const files = definitions.flatMap((file) => ["-f", file]);
  if (files.length > 0) await kube("delete", ...files, "--ignore-not-found", "--wait=false");
  await kube("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false");
});

const isServed = (kind: string): Promise<boolean> =>
  api.list(`/apis/gateway.networking.k8s.io/v1/namespaces/${NAMESPACE}/${kind}`).then(
    () => true,
    () => false,
  );

function pathOf({ apiVersion, kind }: KubeObject): string {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const plural = PLURALS[kind] ?? `${kind.toLowerCase()}s`;
  return GLOBAL.includes(kind) ? `${root}/${plural}` : `${root}/namespaces/${NAMESPACE}/${plural}`;
}

/** Why the API server would not make it; undefined if it would. */
async function refusal(object: KubeObject): Promise<string | undefined> {
  const namespaced = GLOBAL.includes(object.kind) ? {} : { namespace: NAMESPACE };
  const metadata = { ...object.metadata, ...namespaced };
  try {
    await api.preview(pathOf(object), { ...object, metadata });
    return undefined;
  } catch (error) {
    if (!(error instanceof KubeApiError)) throw error;
    // What is there already was taken once.
    return error.status === 409
      ? undefined
      : `${object.kind} ${object.metadata.name}: ${error.message}`;
  }
}

/** A few at a time. */
async function refusals(all: readonly KubeObject[]): Promise<readonly string[]> {
  const found: string[] = [];
  const rest = [...all];
  const work = async (): Promise<void> => {
    for (let one = rest.pop(); one !== undefined; one = rest.pop()) {
      const why = await refusal(one);
      if (why !== undefined) found.push(why);
    }
  };
  await Promise.all([1, 2, 3, 4].map(work));
  return found.sort();
}

/** Each object once, whichever cases have it. */
async function rendered(): Promise<readonly KubeObject[]> {
  const all = new Map<string, KubeObject>();
  for (const { source } of CASES)
    for (const object of await objects(source)) all.set(JSON.stringify(object), object);
  for (const object of await objects({ values: { namespaces: [NAMESPACE] } }, OPERATOR_CHART))
    all.set(JSON.stringify(object), object);
  for (const values of Object.values(GATEWAY_CASES))
    for (const object of await objects({ values }, GATEWAY_CHART))
      all.set(JSON.stringify(object), object);
  return [...all.values()];
}

/** The pod of a workload, as its controller would make it. */
function podOf({ kind, metadata, spec }: KubeObject): KubeObject | undefined {
  const template = record(record(spec).template);
  if (template.spec === undefined || kind === "Job") return undefined;
  const name = `${metadata.name}-pod`;
  const { priorityClassName: _, ...inTemplate } = record(template.spec);
  const volumes = list(inTemplate.volumes);
  const claims = list(record(spec).volumeClaimTemplates).map((one) => {
    const claim = text(record(record(one).metadata).name) ?? "";
    return { name: claim, emptyDir: {} };
  });
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...record(template.metadata), name },
    // Neither the release's service account nor the user's PriorityClass is in this cluster.
    spec: {
      ...inTemplate,
      serviceAccountName: "default",
      volumes: [...volumes, ...claims],
    },
  };
}

describe("the API server takes", () => {
  let all: readonly KubeObject[];
  beforeAll(async () => {
    all = await rendered();
  });

  test("every object of every case of the charts, but those of add-ons that are not here", async () => {
    const here = all.filter(({ kind }) => !NOT_HERE.includes(kind));
    expect(await refusals(here)).toEqual([]);
    const kinds = new Set(here.map(({ kind }) => kind));
    for (const kind of ["Deployment", "StatefulSet", "RealtimeSet", "Gateway", "HTTPRoute"])
      expect(kinds).toContain(kind);
    const away = new Set(all.map(({ kind }) => kind).filter((kind) => NOT_HERE.includes(kind)));
    expect([...away].sort()).toEqual(NOT_HERE);
  });

  test("the pod of every workload where PodSecurity is restricted, and a quota and limits count", async () => {
    await kube("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted");
    await kubeIn(
      {
        ...{ apiVersion: "v1", kind: "List" },
        items: [
          {
            ...{ apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "all" } },
            spec: {
              hard: {
                ...{ pods: "20", "requests.cpu": "64", "requests.memory": "128Gi" },
                ...{ "limits.cpu": "256", "limits.memory": "256Gi" },
              },
            },
          },
          {
            ...{ apiVersion: "v1", kind: "LimitRange", metadata: { name: "containers" } },
            spec: {
              limits: [
                {
                  type: "Container",
                  min: { cpu: "10m", memory: "16Mi" },
                  max: { cpu: "32", memory: "256Gi" },
                },
              ],
            },
          },
        ],
      },
      "create",
    );
    const quota = async (): Promise<boolean> =>
      (await kube("get", "resourcequota", "all", "-o", "jsonpath={.status.hard.pods}")) === "20";
    await eventually("the quota counts", quota, { timeoutMs: patience(30_000), everyMs: 200 });
    const pods = new Map<string, KubeObject>();
    for (const object of all) {
      const pod = podOf(object);
      if (pod !== undefined) pods.set(JSON.stringify(pod), pod);
    }
    expect(pods.size).toBeGreaterThan(10);
    expect(await refusals([...pods.values()])).toEqual([]);
  });
});

describe("the API server refuses, in words,", () => {
  const values = merged(BASE, {
    expose: { mode: "gateway", gateway: { parentRefs: [{ name: "public" }] } },
  });

  test("a route that breaks a rule of its CRD: the rules are in force", async () => {
    const route = (await objects({ values }, CHART)).find(({ kind }) => kind === "HTTPRoute");
    const rules = [{ timeouts: { request: "1s", backendRequest: "2s" } }];
    const spec = { ...route?.spec, rules };
    const broken = { ...(route as KubeObject), spec };
    expect(await refusal(broken)).toMatch(/backendRequest timeout cannot be longer/);
  });

  test("a pod beyond the quota, and one beyond the limits of a container", async () => {
    const deployment = (await objects({ values }, CHART)).find(({ kind }) => kind === "Deployment");
    const pod = podOf(deployment as KubeObject) as KubeObject;
    const [container] = list(record(pod.spec).containers) as readonly Json[];
    const having = (memory: string): Promise<string | undefined> => {
      const figures = { cpu: "1", memory };
      const resources = { requests: figures, limits: figures };
      return refusal({ ...pod, spec: { ...pod.spec, containers: [{ ...container, resources }] } });
    };
    expect(await having("200Gi")).toMatch(/exceeded quota: all/);
    expect(await having("300Gi")).toMatch(/maximum memory usage per Container is 256Gi/);
    expect(await having("1Gi")).toBeUndefined();
  });
});
