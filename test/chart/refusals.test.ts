// Checks that what cannot work fails at render time, with the arithmetic and what would do.
import { describe, expect, test } from "bun:test";
import { optionRows } from "@holdfast/config";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { BASE, merged, OPERATED } from "./cases.ts";
import { derivedOptions, template, type Values } from "./helm.ts";

const render = (values: Values) => template({ values: merged(BASE, values) });

const REFUSED: readonly (readonly [string, Values, string])[] = [
  [
    "more connections than can leave",
    { connections: { perPod: 40_000 } },
    "N / A = 40000 / 500 = 80.0 s, and the window has room for W - L = 55 - 5 = 50 s (M 75 - P 15 - T 5 = W 55); drain.maxSeconds 105 would do, 140 keeps the pace of 0.7 A",
  ],
  [
    "a port that the node has itself",
    { config: { mqtt: { transports: ["tls"], tlsPort: 8000 } } },
    "config.mqtt.tlsPort 8000 cannot be had",
  ],
  [
    "TLS without a certificate",
    { config: { mqtt: { transports: ["tls"] } } },
    "MQTT over TLS has no certificate; expected tls.existingSecret",
  ],
  ["a set without the operator's key", { kind: "RealtimeSet" }, "needs operator.keySecret.name"],
  [
    "the operator's loop without the operator",
    { autoscaling: { mode: "operator" } },
    "kind Deployment has no operator; expected kind: RealtimeSet",
  ],
  [
    "a release of nothing",
    { operator: { release: { strategy: "Canary" } } },
    "operator.release is for kind RealtimeSet, and kind is Deployment",
  ],
  [
    "a pause that would stay",
    { ...OPERATED, operator: { keySecret: { name: "x" }, release: { paused: true } } },
    "pause a release by the annotation holdfast.dev/pause",
  ],
  [
    "two keys of one name",
    {
      ...OPERATED,
      config: {
        apiKeys: [{ name: "operator", keyHash: `sha256:${"0".repeat(64)}`, scopes: ["info"] }],
      },
    },
    "config.apiKeys has a key of the name operator",
  ],
  ["no room for a window", { drain: { maxSeconds: 20 } }, "W = M - P - T = 20 - 15 - 5 = 0 s"],
  [
    "a slow balancer with a short drain",
    { expose: { deregistrationSeconds: 300 } },
    "W = M - P - T = 75 - 300 - 5 = -230 s, expected at least 1 s; 330 s would do",
  ],
  [
    "a pinned window that does not fit",
    { drain: { windowSeconds: 60 } },
    "P + W + T = 15 + 60 + 5 = 80 s, expected at most drain.maxSeconds 75",
  ],
  ["a pinned window that is too short", { drain: { windowSeconds: 20 } }, "W - L = 20 - 5 = 15 s"],
  [
    "a pinned delay below the balancer's",
    { drain: { preDelaySeconds: 5 }, expose: { deregistrationSeconds: 20 } },
    "drain.preDelaySeconds 5 is shorter than",
  ],
  [
    "a pinned grace period that is too short",
    { drain: { graceSeconds: 80, preStopSeconds: 5 } },
    "S + M + 10 = 5 + 75 + 10 = 90 s",
  ],
  [
    "a grace period that cluster-autoscaler cuts",
    { drain: { maxSeconds: 595 } },
    "0 + 595 + 10 = 605 s is above the 600 s",
  ],
  [
    "a sidecar that ends first",
    { mesh: { istio: { enabled: true, nativeSidecar: false, drainSeconds: 45 } } },
    "mesh.istio.drainSeconds 45 ends the proxy before the node: S + M + 5 = 0 + 75 + 5 = 80 s",
  ],
  [
    "a gateway that ends first",
    {
      expose: { mode: "gateway", gateway: { parentRefs: [{ name: "g" }] } },
      mesh: { envoyGateway: { enabled: true, drainSeconds: 60 } },
    },
    "mesh.envoyGateway.drainSeconds 60 is too short: M + 5 = 75 + 5 = 80 s",
  ],
  [
    "more connections than open files",
    { connections: { descriptorsMax: 10_000 } },
    "10000 x 1.5 + 256 = 15256 is above the 10000 open files",
  ],
  [
    "more deliveries than one core",
    { connections: { deliveriesPerSecond: 50_000 } },
    "200 + 50000 x 30 / 1000 = 1700 thousandths of a core",
  ],
  ["no way to check tokens", { auth: { hmacSecretKey: "" } }, "no client could connect"],
  [
    "a key of no secret",
    { auth: { existingSecret: "" }, replicas: 1 },
    "auth.existingSecret no secret",
  ],
  [
    "several pods without a resume secret",
    { auth: { existingSecret: "", hmacSecretKey: "" }, config: { auth: { insecure: true } } },
    "the same resume secret on all",
  ],
  ["no broker", { broker: { url: "" } }, "needs the address of Redis or Valkey"],
  ["two brokers", { broker: { existingSecret: { name: "b" } } }, "are both set"],
  [
    "a password in values",
    { broker: { url: "redis://app:hunter2@redis:6379" } },
    "broker.url has credentials",
  ],
  [
    "a Sentinel's password in values",
    { broker: { url: "redis+sentinel://s:26379/main?sentinelPassword=hunter2" } },
    "broker.url has credentials",
  ],
  [
    "an address that is not used",
    { broker: { mode: "memory" }, replicas: 1 },
    "broker.mode memory does not use it",
  ],
  [
    "a trial Valkey without a password",
    { broker: { mode: "valkey", url: "" } },
    "broker.valkey.existingSecret.name is empty",
  ],
  ["several pods with memory", { broker: { mode: "memory", url: "" } }, "one pod alone"],
  ["a Gateway that is not named", { expose: { mode: "gateway" } }, "has no Gateway"],
  [
    "a Gateway beside the way",
    { expose: { gateway: { create: { enabled: true, className: "x" } } } },
    "needs expose.mode gateway",
  ],
  [
    "a Gateway without a class",
    { expose: { mode: "gateway", gateway: { create: { enabled: true } } } },
    "className is empty",
  ],
  ["an Ingress without a host", { expose: { mode: "ingress" } }, "needs expose.hosts"],
  [
    "two meshes",
    { mesh: { istio: { enabled: true }, linkerd: { enabled: true } } },
    "a pod has one mesh",
  ],
  ["KEDA without Prometheus", { autoscaling: { mode: "keda" } }, "keda.serverAddress"],
  [
    "fewer at most than at least",
    { autoscaling: { mode: "hpa-pods", minReplicas: 30 } },
    "minReplicas 30 is above autoscaling.maxReplicas 20",
  ],
  [
    "a key of the API in values",
    { config: { apiKeys: [{ name: "b", key: "k".repeat(40), scopes: ["publish"] }] } },
    "use keyHash",
  ],
  [
    "a label's value that no label may have",
    { autoscaling: { mode: "hpa-external", external: { selector: { job: "a/b" } } } },
    "/autoscaling/external/selector/job",
  ],
  ["a label that is too long", { podLabels: { team: "x".repeat(64) } }, "/podLabels/team"],
  [
    "a label of the chart itself",
    { podLabels: { "app.kubernetes.io/component": "edge" } },
    "podLabels has app.kubernetes.io/component, which is the chart's own label",
  ],
  ["a metric's name with a colon", { autoscaling: { pods: { metricName: "a:b" } } }, "metricName"],
  ["a budget of a word", { podDisruptionBudget: { maxUnavailable: "all" } }, "maxUnavailable"],
  [
    "a host with a port",
    { expose: { mode: "ingress", hosts: ["a.example:443"] } },
    "/expose/hosts",
  ],
  ["image latest", { image: { tag: "latest" } }, "latest"],
  ["a value that does not exist", { replica: 3 }, "replica"],
  [
    "an option that does not exist",
    { config: { limits: { subscriptionMax: 3 } } },
    "subscriptionMax",
  ],
  ["an option out of range", { config: { limits: { subscriptionsMax: 0 } } }, "subscriptionsMax"],
  ["an option of another type", { config: { timeouts: { pingMs: "soon" } } }, "pingMs"],
];

test.each(REFUSED)("%s", async (_name, values, text) => {
  const { ok, stderr } = await render(values);
  expect([ok, stderr.replaceAll(/\s+/g, " ")]).toEqual([false, expect.stringContaining(text)]);
});

test("a password in an address is not repeated", async () => {
  expect(
    (await render({ broker: { url: "redis://app:hunter2@redis:6379" } })).stderr,
  ).not.toContain("hunter2");
});

test("everything that is wrong is told at once", async () => {
  const { stderr } = await render({
    broker: { url: "" },
    drain: { maxSeconds: 20 },
    expose: { mode: "gateway" },
  });
  expect(stderr).toContain("because of 3 things");
});

describe("what the chart derives cannot be given below config", async () => {
  const derived = await derivedOptions();
  const rows = new Map(optionRows(NODE_OPTIONS).map((row) => [row.name, row.option]));

  test("and each name is an option's", () => {
    expect(Object.keys(derived).filter((name) => !rows.has(name))).toEqual([]);
    expect(Object.keys(derived).length).toBeGreaterThan(15);
  });

  test("and secrets are among them, but for keys of the API, which have hashes", () => {
    const secrets = optionRows(NODE_OPTIONS).filter(
      ({ option, name }) => option.secret && name !== "apiKeys",
    );
    expect(secrets.map(({ name }) => name).filter((name) => !(name in derived))).toEqual([]);
  });

  test.each(Object.keys(derived))("%s", async (name) => {
    const value = sample(rows.get(name)?.kind ?? "text");
    const config = name.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
    const { ok, stderr } = await render({ config: config as Values });
    expect([ok, stderr.replaceAll(/\s+/g, " ")]).toEqual([
      false,
      expect.stringContaining(`config.${name} is set by the chart; use ${derived[name]}`),
    ]);
  });
});

function sample(kind: string): unknown {
  return kind === "boolean" ? true : kind === "text" ? "x".repeat(40) : 1000;
}
