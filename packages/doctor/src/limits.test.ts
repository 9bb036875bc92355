// Checks where findings begin and end: a good cluster, one change at a time, on both sides of each
// limit.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type Json, type KubeObject, kubeObject, readManifests, record } from "@holdfast/kube";
import { NODE_OPTIONS } from "@holdfast/server/options";
import type { DoctorOptions } from "./cluster-snapshot.ts";
import { diagnose, findingsOf } from "./diagnose.ts";
import { merged } from "./patches.ts";

const GOOD = readManifests(
  readFileSync(new URL("../../../test/doctor/good/holdfast.yaml", import.meta.url), "utf8"),
  "good.yaml",
).objects;

/** The good cluster with one object merged with a change; the rest as it is. */
function changed(kind: string, change: Json): readonly KubeObject[] {
  return GOOD.map((object) =>
    object.kind === kind ? kubeObject(merged(object.body, change), object.placeOf) : object,
  );
}

const pod = (spec: Json): readonly KubeObject[] =>
  changed("Deployment", { spec: { template: { spec } } });

function container(change: Json): readonly KubeObject[] {
  const deployment = GOOD.find(({ kind }) => kind === "Deployment");
  const [first] = record(record(record(deployment?.body.spec).template).spec)
    .containers as readonly Json[];
  return pod({ containers: [merged(first ?? {}, change)] });
}

const data = (values: Json): readonly KubeObject[] => changed("ConfigMap", { data: values });
const found = (
  objects: readonly KubeObject[],
  options: Partial<DoctorOptions> = {},
): readonly string[] =>
  findingsOf(diagnose(objects, { nodeOptions: NODE_OPTIONS, ...options })).map(
    ({ severity, id }) => `${severity} ${id}`,
  );

test("the good cluster is good", () => expect(found(GOOD)).toEqual([]));

interface Row {
  readonly name: string;
  readonly objects: readonly KubeObject[];
  readonly options?: Partial<DoctorOptions>;
  readonly expected: readonly string[];
}

const probe = (periodSeconds: number, failureThreshold: number): Json => ({
  livenessProbe: { periodSeconds, failureThreshold },
});
const hpa = (spec: Json): readonly KubeObject[] => {
  const body = {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "holdfast", namespace: "live" },
  };
  const base = {
    scaleTargetRef: { kind: "Deployment", name: "holdfast" },
    minReplicas: 4,
    maxReplicas: 9,
    metrics: [{ type: "Pods" }],
  };
  return [
    ...changed("Deployment", { spec: { replicas: null } }),
    kubeObject({ ...body, spec: merged(base, spec) }, () => ({ file: "hpa.yaml", line: 1 })),
  ];
};
const slow = [{ type: "Pods", value: 1, periodSeconds: 75 }];
const policies = (list: readonly Json[]): Json => ({
  behavior: { scaleDown: { stabilizationWindowSeconds: 300, policies: list } },
});
const budget = (spec: Json): readonly KubeObject[] =>
  changed("PodDisruptionBudget", { spec: { maxUnavailable: null, ...spec } });
const surge = (rollingUpdate: Json): readonly KubeObject[] =>
  changed("Deployment", { spec: { strategy: { rollingUpdate } } });

/**
 * The good Service behind a network load balancer of AWS, which the good delay of 15 s is too short
 * for.
 */
const AWS = "service.beta.kubernetes.io/aws-load-balancer-";
const network = (annotations: Json): readonly KubeObject[] =>
  changed("Service", {
    metadata: { annotations: { [`${AWS}type`]: "nlb", ...annotations } },
    spec: { type: "LoadBalancer" },
  });
const attributes = (value: boolean): Json => ({
  [`${AWS}target-group-attributes`]: `target_health_state.unhealthy.connection_termination.enabled=${value}`,
});

const ROWS: readonly Row[] = [
  {
    name: "a health check of an open port, which a drain closes",
    objects: network({}),
    expected: ["warning deregistration-over-delay", "warning balancer-cuts-unready"],
  },
  {
    name: "a health check of what readiness asks",
    objects: network({ [`${AWS}healthcheck-path`]: "/readyz", ...attributes(true) }),
    expected: ["error balancer-cuts-unready", "warning deregistration-over-delay"],
  },
  {
    name: "one of what liveness asks",
    objects: network({ [`${AWS}healthcheck-path`]: "/livez" }),
    expected: ["warning deregistration-over-delay"],
  },
  {
    name: "one that cuts nothing",
    objects: network(attributes(false)),
    expected: ["warning deregistration-over-delay"],
  },
  {
    name: "G = 85 s is S + M + 10",
    objects: pod({ terminationGracePeriodSeconds: 85 }),
    expected: [],
  },
  {
    name: "G = 84 s has no margin",
    objects: pod({ terminationGracePeriodSeconds: 84 }),
    expected: ["warning grace-too-short"],
  },
  {
    name: "G = 72 s is just enough",
    objects: pod({ terminationGracePeriodSeconds: 72 }),
    expected: ["warning grace-too-short"],
  },
  {
    name: "G = 71 s is not",
    objects: pod({ terminationGracePeriodSeconds: 71 }),
    expected: ["error grace-too-short"],
  },
  {
    name: "G = 600 s is what the autoscaler waits",
    objects: pod({ terminationGracePeriodSeconds: 600 }),
    expected: [],
  },
  {
    name: "G = 601 s is more",
    objects: pod({ terminationGracePeriodSeconds: 601 }),
    expected: ["warning grace-over-autoscaler"],
  },
  { name: "N = 17,500 are paced", objects: GOOD, options: { connections: 17_500 }, expected: [] },
  {
    name: "N = 17,501 are hurried",
    objects: GOOD,
    options: { connections: 17_501 },
    expected: ["warning drain-hurried"],
  },
  {
    name: "N = 25,000 are possible",
    objects: GOOD,
    options: { connections: 25_000 },
    expected: ["warning drain-hurried"],
  },
  {
    name: "N = 25,001 are not",
    objects: GOOD,
    options: { connections: 25_001 },
    expected: ["error drain-impossible"],
  },
  {
    name: "P = 5 s is enough without a slow balancer",
    objects: data({ HOLDFAST_DRAIN_PRE_DELAY_MS: "5s", HOLDFAST_DRAIN_WINDOW_MS: "65s" }),
    expected: [],
  },
  {
    name: "P = 4 s is not",
    objects: data({ HOLDFAST_DRAIN_PRE_DELAY_MS: "4s", HOLDFAST_DRAIN_WINDOW_MS: "65s" }),
    expected: ["warning no-pre-delay"],
  },
  {
    name: "pings every 149 s pass an idle timeout of 300 s",
    objects: GOOD,
    options: { pingSeconds: 149 },
    expected: [],
  },
  {
    name: "pings every 150 s have no second chance",
    objects: GOOD,
    options: { pingSeconds: 150 },
    expected: ["warning idle-timeout"],
  },
  {
    name: "pings every 300 s come too late",
    objects: GOOD,
    options: { pingSeconds: 300 },
    expected: ["error idle-timeout"],
  },
  {
    name: "a gateway that drains for M + 5 outlives the pod",
    objects: changed("EnvoyProxy", { spec: { shutdown: { drainTimeout: "1m20s" } } }),
    expected: [],
  },
  {
    name: "one second less does not",
    objects: changed("EnvoyProxy", { spec: { shutdown: { drainTimeout: "79s" } } }),
    expected: ["error proxy-drain-short"],
  },
  {
    name: "40,000 connections fit 4 pods of 10,000",
    objects: changed("BackendTrafficPolicy", {
      spec: { circuitBreaker: { maxConnections: 40_000 } },
    }),
    expected: [],
  },
  {
    name: "39,999 do not",
    objects: changed("BackendTrafficPolicy", {
      spec: { circuitBreaker: { maxConnections: 39_999 } },
    }),
    expected: ["error connection-limit"],
  },
  { name: "20 s of patience", objects: container(probe(10, 2)), expected: [] },
  {
    name: "19 s of patience",
    objects: container(probe(19, 1)),
    expected: ["warning liveness-too-eager"],
  },
  { name: "minAvailable 3 of 4", objects: budget({ minAvailable: 3 }), expected: [] },
  {
    name: "minAvailable 4 of 4",
    objects: budget({ minAvailable: 4 }),
    expected: ["error pdb-blocks"],
  },
  {
    name: "minAvailable 76 % of 4, rounded up, is all",
    objects: budget({ minAvailable: "76%" }),
    expected: ["error pdb-blocks"],
  },
  { name: "minAvailable 75 % of 4 is 3", objects: budget({ minAvailable: "75%" }), expected: [] },
  {
    name: "maxUnavailable 0 %",
    objects: budget({ maxUnavailable: "0%" }),
    expected: ["error pdb-blocks"],
  },
  {
    name: "maxUnavailable 1 %, rounded up, is one",
    objects: budget({ maxUnavailable: "1%" }),
    expected: [],
  },
  {
    name: "maxUnavailable 24 % of 4, rounded down, is none",
    objects: surge({ maxUnavailable: "24%" }),
    expected: [],
  },
  {
    name: "maxUnavailable 25 % of 4 is one",
    objects: surge({ maxUnavailable: "25%" }),
    expected: ["warning rollout-unavailable"],
  },
  {
    name: "no surge and none unavailable is one unavailable",
    objects: surge({ maxUnavailable: 0, maxSurge: 0 }),
    expected: ["warning rollout-unavailable"],
  },
  { name: "one pod in M", objects: hpa(policies(slow)), expected: [] },
  {
    name: "one pod in less than M",
    objects: hpa(policies([{ ...slow[0], periodSeconds: 74 }])),
    expected: ["warning hpa-scale-down-policy"],
  },
  {
    name: "two pods in M",
    objects: hpa(policies([{ ...slow[0], value: 2 }])),
    expected: ["warning hpa-scale-down-policy"],
  },
  {
    name: "a tenth in M",
    objects: hpa(policies([{ type: "Percent", value: 10, periodSeconds: 75 }])),
    expected: [],
  },
  {
    name: "scaling down turned off",
    objects: hpa({ behavior: { scaleDown: { selectPolicy: "Disabled" } } }),
    expected: [],
  },
  {
    name: "a stabilisation of M",
    objects: hpa({ behavior: { scaleDown: { stabilizationWindowSeconds: 75, policies: slow } } }),
    expected: [],
  },
  {
    name: "a stabilisation below M",
    objects: hpa({ behavior: { scaleDown: { stabilizationWindowSeconds: 74, policies: slow } } }),
    expected: ["warning hpa-no-stabilization"],
  },
  {
    name: "a range of ports that holds the pod's",
    objects: changed("NetworkPolicy", {
      spec: { ingress: [{ ports: [{ port: 7000, endPort: 8000 }] }] },
    }),
    expected: [],
  },
  {
    name: "a range that ends before it",
    objects: changed("NetworkPolicy", {
      spec: { ingress: [{ ports: [{ port: 7000, endPort: 7999 }] }] },
    }),
    expected: ["error netpol-blocks"],
  },
  {
    name: "a rule without ports opens all",
    objects: changed("NetworkPolicy", { spec: { ingress: [{}] } }),
    expected: [],
  },
  {
    name: "an empty list of rules closes all",
    objects: changed("NetworkPolicy", { spec: { ingress: [] } }),
    expected: ["error netpol-blocks"],
  },
  {
    name: "a policy for what goes out does not close",
    objects: changed("NetworkPolicy", { spec: { policyTypes: ["Egress"], ingress: null } }),
    expected: [],
  },
];

describe("limits", () => {
  test.each(ROWS.map((row) => [row.name, row] as const))(
    "%s",
    (_name, { objects, options, expected }) => {
      expect(found(objects, options)).toEqual([...expected]);
    },
  );
});

describe("our node's options are read from", () => {
  const env = (entries: readonly Json[]): readonly KubeObject[] =>
    container({
      env: [
        ...entries,
        { name: "HOLDFAST_BROKER_URL", value: "redis://r" },
        { name: "HOLDFAST_AUTH_RESUME_SECRET", value: "x".repeat(32) },
      ],
    });
  const pingOf = (objects: readonly KubeObject[]): number | undefined =>
    diagnose(objects, { nodeOptions: NODE_OPTIONS }).workloads[0]?.clientPath.load.pingSeconds;
  const clientPaths: readonly (readonly [string, readonly KubeObject[], number])[] = [
    ["nothing: the default", GOOD, 25],
    ["the environment", env([{ name: "HOLDFAST_TIMEOUTS_PING_MS", value: "20s" }]), 20],
    [
      "a key of a ConfigMap",
      env([
        {
          name: "HOLDFAST_TIMEOUTS_PING_MS",
          valueFrom: { configMapKeyRef: { name: "holdfast", key: "HOLDFAST_DRAIN_PRE_DELAY_MS" } },
        },
      ]),
      15,
    ],
    ["a whole ConfigMap", data({ HOLDFAST_TIMEOUTS_PING_MS: "10s" }), 10],
    [
      "a flag, which wins",
      container({
        args: ["serve", "--timeouts-ping-ms", "5s"],
        env: [
          { name: "HOLDFAST_TIMEOUTS_PING_MS", value: "20s" },
          { name: "HOLDFAST_BROKER_URL", value: "redis://r" },
        ],
      }),
      5,
    ],
    [
      "a Secret: unknown, the default is taken",
      env([
        { name: "HOLDFAST_TIMEOUTS_PING_MS", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
      ]),
      25,
    ],
    [
      "an expansion: unknown too",
      env([{ name: "HOLDFAST_TIMEOUTS_PING_MS", value: "$(PING)" }]),
      25,
    ],
  ];
  test.each(clientPaths)("%s", (_name, objects, expected) =>
    expect(pingOf(objects)).toBe(expected),
  );

  const DURABLE = JSON.stringify({
    "c:{n}": { class: "durable", history: { size: 9, ttlMs: 9000 } },
  });
  const secret = { valueFrom: { secretKeyRef: { name: "s", key: "k" } } };
  const refusedIn = (rest: readonly Json[]): readonly string[] =>
    found(container({ env: [{ name: "HOLDFAST_AUTH_RESUME_SECRET", ...secret }, ...rest] })).filter(
      (text) => text.includes("options-refused"),
    );
  const refusals: readonly (readonly [string, readonly Json[], number])[] = [
    [
      "a Secret's broker: durable channels are not refused beside the default",
      [
        { name: "HOLDFAST_BROKER_URL", ...secret },
        { name: "HOLDFAST_CHANNELS", value: DURABLE },
      ],
      0,
    ],
    [
      "a broker in plain sight: they are",
      [
        { name: "HOLDFAST_BROKER_URL", value: "memory:" },
        { name: "HOLDFAST_CHANNELS", value: DURABLE },
      ],
      1,
    ],
    [
      "a Secret's key: an algorithm is not refused for want of it",
      [
        { name: "HOLDFAST_BROKER_URL", value: "redis://r" },
        { name: "HOLDFAST_AUTH_JWT_HMAC_SECRET", ...secret },
        { name: "HOLDFAST_AUTH_JWT_ALGORITHMS", value: "HS256" },
      ],
      0,
    ],
    [
      "no key: it is",
      [
        { name: "HOLDFAST_BROKER_URL", value: "redis://r" },
        { name: "HOLDFAST_AUTH_JWT_ALGORITHMS", value: "HS256" },
      ],
      1,
    ],
  ];
  test.each(refusals)("%s", (_name, entries, expected) =>
    expect(refusedIn(entries).length).toBe(expected),
  );
});
