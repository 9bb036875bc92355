// Owns: RealtimeSets that are right, and those that break one rule each. The unit tests read them,
// and the cluster's tests give them to a real API server.
import { isMap } from "./read-fields.ts";

type Json = Readonly<Record<string, unknown>>;

/** A small RealtimeSet that is right. */
export function realtimeSet(spec: Json = {}, name = "shop"): Json {
  return {
    apiVersion: "holdfast.dev/v1alpha1",
    kind: "RealtimeSet",
    metadata: { name },
    spec: merged(SPEC, spec),
  };
}

const SPEC: Json = {
  selector: { matchLabels: { app: "shop" } },
  template: {
    metadata: { labels: { app: "shop" } },
    spec: { containers: [{ name: "holdfast", image: "holdfast:1" }] },
  },
  drain: { maxSeconds: 60 },
  connections: { perPod: 10_000 },
  dataPlane: { node: { keySecret: { name: "shop-operator", key: "key" } } },
};

const GATEWAY: Json = {
  ...{ service: "gateway.edge", route: "shop", podPort: 8080 },
  keySecret: { name: "shop-operator", key: "key" },
};

/** Sections are merged, everything else is replaced; `null` removes. */
function merged(base: Json, more: Json): Json {
  const result: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(more)) {
    const old = base[name];
    if (value === null) delete result[name];
    else result[name] = isMap(value) && isMap(old) ? merged(old, value) : value;
  }
  return result;
}

export interface Refusal {
  readonly name: string;
  readonly spec: Json;
  /** Part of what the API server says. */
  readonly says: string;
  /** The name of the set, if it is what is wrong. */
  readonly called?: string;
}

const steps = (...list: readonly unknown[]): Json => ({
  release: { strategy: "Canary", canary: { steps: list } },
});

export const REFUSALS: readonly Refusal[] = [
  { name: "no selector", spec: { selector: null }, says: "spec.selector" },
  { name: "no drain", spec: { drain: null }, says: "spec.drain" },
  { name: "no containers", spec: { template: { spec: { containers: null } } }, says: "containers" },
  { name: "no labels", spec: { template: { metadata: { labels: null } } }, says: "labels" },
  {
    name: "labels without the selector",
    spec: { template: { metadata: { labels: { app: "other" } } } },
    says: 'the labels of the template lack what the selector asks for: ["app"]',
  },
  {
    name: "a label of the operator",
    spec: { template: { metadata: { labels: { "pod-template-hash": "x" } } } },
    says: 'remove ["pod-template-hash"] from the template',
  },
  {
    name: "a label that says that nobody is received",
    spec: { template: { metadata: { labels: { "holdfast.dev/receives": "false" } } } },
    says: 'the label holdfast.dev/receives of the template is "true" or absent',
  },
  {
    name: "a selector that changes",
    spec: {
      selector: { matchLabels: { "holdfast.dev/receives": "true" } },
      template: { metadata: { labels: { "holdfast.dev/receives": "true" } } },
    },
    says: "the selector has a label that the operator changes",
  },
  {
    name: "pods that end",
    spec: { template: { spec: { restartPolicy: "Never" } } },
    says: "restartPolicy must be Always, found Never",
  },
  {
    name: "a drain that is only waiting",
    spec: { drain: { maxSeconds: 10, preDelaySeconds: 20 } },
    says: "drain.maxSeconds 10 - drain.preDelaySeconds 20 = -10 s: no time is left to move anybody",
  },
  { name: "a drain too short", spec: { drain: { maxSeconds: 4 } }, says: "greater than or equal" },
  { name: "no places", spec: { connections: { perPod: 0 } }, says: "greater than or equal" },
  {
    name: "all places kept free",
    spec: { connections: { headroomPercent: 91 } },
    says: "less than or equal to 90",
  },
  { name: "too many pods", spec: { replicas: 1001 }, says: "less than or equal to 1000" },
  {
    name: "another data plane",
    spec: { dataPlane: { kind: "signal" } },
    says: 'supported values: "node", "gateway"',
  },
  {
    name: "no data plane",
    spec: { dataPlane: { node: null } },
    says: "dataPlane.kind is node: it needs dataPlane.node, and nothing of the other kind",
  },
  {
    name: "a gateway without its part",
    spec: { dataPlane: { kind: "gateway" } },
    says: "dataPlane.kind is gateway: it needs dataPlane.gateway",
  },
  {
    name: "a gateway and nodes",
    spec: { dataPlane: { kind: "gateway", gateway: GATEWAY } },
    says: "and nothing of the other kind",
  },
  {
    name: "gateways at no Service",
    spec: {
      dataPlane: { kind: "gateway", node: null, gateway: { ...GATEWAY, service: "a.b.c" } },
    },
    says: "service",
  },
  {
    name: "a base path that ends in a slash",
    spec: { dataPlane: { node: { basePath: "/live/" } } },
    says: "basePath",
  },
  {
    name: "more pods at least than at most",
    spec: { autoscaling: { minReplicas: 5, maxReplicas: 3 } },
    says: "minReplicas 5 is above maxReplicas 3",
  },
  {
    name: "a canary without steps",
    spec: { release: { strategy: "Canary" } },
    says: "strategy Canary needs release.canary.steps",
  },
  {
    name: "steps of another strategy",
    spec: { release: { canary: { steps: [{ sharePercent: 5 }] } } },
    says: "release.canary is there, and release.strategy is Rolling",
  },
  {
    name: "blue and green of another strategy",
    spec: { release: { blueGreen: {} } },
    says: "release.blueGreen is there, and release.strategy is Rolling",
  },
  {
    name: "shares that fall",
    spec: steps({ sharePercent: 25 }, { sharePercent: 5 }),
    says: "the shares must rise from step to step, found [25, 5] percent",
  },
  {
    name: "shares that stay",
    spec: steps({ sharePercent: 5 }, { sharePercent: 5 }),
    says: "the shares must rise from step to step, found [5, 5] percent",
  },
  { name: "a share of nothing", spec: steps({ sharePercent: 0 }), says: "greater than or equal" },
  {
    name: "more than twenty steps",
    spec: steps(...Array.from({ length: 21 }, (_, at) => ({ sharePercent: at + 1 }))),
    says: "20",
  },
  {
    name: "a step that lasts twice",
    spec: steps({ sharePercent: 5, pauseSeconds: 60, untilPromoted: true }),
    says: "a step lasts pauseSeconds 60 or untilPromoted, not both",
  },
  {
    name: "a release that never gets further",
    spec: { release: { warmSeconds: 60, progressDeadlineSeconds: 60 } },
    says: "a new pod warms up for warmSeconds 60, and the release is rolled back after progressDeadlineSeconds 60",
  },
  {
    name: "a verdict that is good before it may come",
    spec: { release: { analysis: { connectionMinutesMin: 500, connectionMinutesMax: 100 } } },
    says: "connectionMinutesMin 500 is above connectionMinutesMax 100",
  },
];

/** A name is the API server's to check: a reading does not judge it. */
export const NAME_TOO_LONG: Refusal = {
  name: "a name too long",
  spec: {},
  called: "a".repeat(53),
  says: "the name has 53 characters, and -REVISION has 11: 64 is more than the 63 of a label",
};

export const ACCEPTED: readonly { readonly name: string; readonly spec: Json }[] = [
  { name: "the least", spec: {} },
  { name: "no pods", spec: { replicas: 0 } },
  { name: "a canary", spec: steps({ sharePercent: 5, untilPromoted: true }, { sharePercent: 50 }) },
  { name: "blue and green", spec: { release: { strategy: "BlueGreen" } } },
  {
    name: "blue and green with a time",
    spec: { release: { strategy: "BlueGreen", blueGreen: { keepOldSeconds: 60 } } },
  },
  { name: "autoscaling", spec: { autoscaling: { minReplicas: 2, maxReplicas: 2 } } },
  {
    name: "pods that say that they receive",
    spec: { template: { metadata: { labels: { "holdfast.dev/receives": "true" } } } },
  },
  {
    name: "https below a path",
    spec: { dataPlane: { node: { scheme: "https", port: 8443, basePath: "/live/eu" } } },
  },
  {
    name: "any servers behind a gateway",
    spec: { dataPlane: { kind: "gateway", node: null, gateway: GATEWAY } },
  },
];
