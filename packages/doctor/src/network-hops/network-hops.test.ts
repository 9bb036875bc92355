// Checks the figures of each product: its defaults, what is set, and whose an Ingress is.
import { describe, expect, test } from "bun:test";
import type { Json } from "@holdfast/kube";
import { readManifests } from "@holdfast/kube";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { stringify } from "yaml";
import { clientPathsOf } from "../client-path.ts";
import { createSnapshot } from "../cluster-snapshot.ts";
import type { NetworkHop } from "./network-hop.ts";

const POD = {
  metadata: { labels: { app: "a" }, annotations: {} as Json },
  spec: { containers: [{ name: "a", image: "a" }] },
};
const WORKLOAD = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "a", namespace: "n" },
  spec: { replicas: 2, template: POD },
};
const SERVICE = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "a", namespace: "n" },
  spec: { selector: { app: "a" }, ports: [{ port: 80, appProtocol: "kubernetes.io/ws" }] },
};

function hopsOf(...objects: readonly Json[]): readonly NetworkHop[] {
  const text = objects.map((one) => stringify(one)).join("---\n");
  return (
    clientPathsOf(
      createSnapshot(readManifests(text, "x.yaml").objects, {
        nodeOptions: NODE_OPTIONS,
        workloads: ["a"],
      }),
    )[0]?.hops ?? []
  );
}

const withPod = (annotations: Json): Json => ({
  ...WORKLOAD,
  spec: { ...WORKLOAD.spec, template: { ...POD, metadata: { labels: { app: "a" }, annotations } } },
});
const ingress = (ingressClassName: string | undefined, annotations: Json = {}): Json => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "Ingress",
  metadata: { name: "i", namespace: "n", annotations },
  spec: {
    ...(ingressClassName === undefined ? {} : { ingressClassName }),
    defaultBackend: { service: { name: "a", port: { number: 80 } } },
  },
});
const balancer = (annotations: Json, spec: Json = {}): Json => ({
  ...SERVICE,
  metadata: { ...SERVICE.metadata, annotations },
  spec: { ...SERVICE.spec, type: "LoadBalancer", ...spec },
});
const AWS = "service.beta.kubernetes.io/aws-load-balancer-";

/** Idle, age, drain, connections; a star behind a default. */
function brief(hop: NetworkHop | undefined): string {
  const knobs = [hop?.idle, hop?.lifetime, hop?.drain, hop?.connections];
  return [
    hop?.name ?? "no hop",
    ...knobs.map((knob) => (knob === undefined ? "-" : `${knob.value}${knob.set ? "" : "*"}`)),
  ].join(" ");
}

describe("an Ingress", () => {
  const table: readonly (readonly [string, Json, string])[] = [
    ["ingress-nginx by class", ingress("nginx"), "Ingress i (ingress-nginx) 60* - 240* -"],
    [
      "ingress-nginx by old annotation",
      ingress(undefined, { "kubernetes.io/ingress.class": "nginx" }),
      "Ingress i (ingress-nginx) 60* - 240* -",
    ],
    [
      "ingress-nginx by its annotations, the shorter one counts",
      ingress(undefined, {
        "nginx.ingress.kubernetes.io/proxy-read-timeout": "3600",
        "nginx.ingress.kubernetes.io/proxy-send-timeout": "30",
      }),
      "Ingress i (ingress-nginx) 30 - 240* -",
    ],
    [
      "NGINX's own controller is not ingress-nginx",
      ingress("nginx", {
        "nginx.org/proxy-read-timeout": "1h",
        "nginx.org/proxy-send-timeout": "1h",
      }),
      "Ingress i (NGINX) 3600 - - -",
    ],
    [
      "HAProxy's controller counts in ms where no unit is",
      ingress("haproxy", { "haproxy.org/timeout-tunnel": "90000" }),
      "Ingress i (HAProxy) 90 - 1800* -",
    ],
    [
      "haproxy-ingress",
      ingress("haproxy", { "haproxy-ingress.github.io/timeout-tunnel": "2h" }),
      "Ingress i (haproxy-ingress) 7200 - 600* -",
    ],
    ["Traefik without its Deployment", ingress("traefik"), "Ingress i (Traefik) - - - -"],
    ["AWS ALB", ingress("alb"), "Ingress i (AWS ALB) 60* - 300* -"],
    [
      "AWS ALB with attributes",
      ingress("alb", {
        "alb.ingress.kubernetes.io/load-balancer-attributes":
          "a=b,idle_timeout.timeout_seconds=4000",
        "alb.ingress.kubernetes.io/target-group-attributes":
          "deregistration_delay.timeout_seconds=90",
      }),
      "Ingress i (AWS ALB) 4000 - 90 -",
    ],
    ["GKE", ingress("gce"), "Ingress i (GKE) - 30* 0* -"],
    [
      "Azure Application Gateway",
      ingress("azure-application-gateway"),
      "Ingress i (Azure Application Gateway) 30* - 0* -",
    ],
    ["a controller that is not known", ingress("kong"), "Ingress i - - - -"],
  ];
  test.each(table)("%s", (_name, object, expected) =>
    expect(hopsOf(WORKLOAD, SERVICE, object).map(brief)).toEqual([expected]),
  );

  test("whose class names a controller is that one's, whatever the class is called", () => {
    const named = (controller: string): Json => ({
      apiVersion: "networking.k8s.io/v1",
      kind: "IngressClass",
      metadata: { name: "web" },
      spec: { controller },
    });
    expect(
      brief(hopsOf(WORKLOAD, SERVICE, ingress("web"), named("k8s.io/ingress-nginx"))[0]),
    ).toStartWith("Ingress i (ingress-nginx)");
    expect(
      brief(hopsOf(WORKLOAD, SERVICE, ingress("web"), named("nginx.org/ingress-controller"))[0]),
    ).toStartWith("Ingress i (NGINX)");
  });
});

describe("what stands in front of", () => {
  const front = (name: string, labels: Json, selector: Json): Json => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name,
      namespace: "edge",
      labels,
      annotations: { [`${AWS}connection-idle-timeout`]: "40" },
    },
    spec: { type: "LoadBalancer", selector, ports: [{ port: 443 }] },
  });
  const before = (...objects: readonly Json[]): readonly string[] =>
    hopsOf(WORKLOAD, SERVICE, ...objects).flatMap((hop) => (hop.before ?? []).map(brief));
  const named = (name: string): Json => front("edge", {}, { "app.kubernetes.io/name": name });

  test("a controller is its own balancer, and no other's", () => {
    expect(before(ingress("nginx"), named("ingress-nginx"))).toEqual([
      "LoadBalancer edge (AWS classic) 40 - - -",
    ]);
    expect(before(ingress("nginx"), named("traefik"))).toEqual([]);
  });

  test("a Gateway is the balancer that its implementation made for it", () => {
    const route = {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "HTTPRoute",
      metadata: { name: "r", namespace: "n" },
      spec: {
        parentRefs: [{ name: "g", namespace: "edge" }],
        rules: [{ backendRefs: [{ name: "a", port: 80 }] }],
      },
    };
    const made = (gateway: string): Json =>
      front("made", { "gateway.envoyproxy.io/owning-gateway-name": gateway }, { app: "envoy" });
    expect(before(route, made("g"))).toEqual(["LoadBalancer made (AWS classic) 40 - - -"]);
    expect(before(route, made("other"))).toEqual([]);
  });

  test("an Istio Gateway is that of the pods which it selects", () => {
    const gateway = {
      apiVersion: "networking.istio.io/v1",
      kind: "Gateway",
      metadata: { name: "g", namespace: "n" },
      spec: { selector: { istio: "ingress" } },
    };
    const virtual = {
      apiVersion: "networking.istio.io/v1",
      kind: "VirtualService",
      metadata: { name: "v", namespace: "n" },
      spec: { gateways: ["g"], http: [{ route: [{ destination: { host: "a" } }] }] },
    };
    expect(before(gateway, virtual, front("in", {}, { istio: "ingress" }))).toEqual([
      "LoadBalancer in (AWS classic) 40 - - -",
    ]);
    expect(before(gateway, virtual, front("in", {}, { istio: "egress" }))).toEqual([]);
  });
});

describe("a LoadBalancer", () => {
  const table: readonly (readonly [string, Json, string])[] = [
    [
      "AWS network, by annotation",
      balancer({ [`${AWS}type`]: "external" }),
      "LoadBalancer a (AWS NLB) 350* - - -",
    ],
    [
      "AWS network, by class",
      balancer({}, { loadBalancerClass: "service.k8s.aws/nlb" }),
      "LoadBalancer a (AWS NLB) 350* - - -",
    ],
    [
      "AWS network that ends connections",
      balancer({
        [`${AWS}type`]: "nlb",
        [`${AWS}target-group-attributes`]:
          "deregistration_delay.connection_termination.enabled=true",
      }),
      "LoadBalancer a (AWS NLB) 350* - 300* -",
    ],
    [
      "AWS classic",
      balancer({ [`${AWS}connection-idle-timeout`]: 90 }),
      "LoadBalancer a (AWS classic) 90 - - -",
    ],
    [
      "Azure, in minutes",
      balancer({ "service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout": "10" }),
      "LoadBalancer a (Azure) 600 - - -",
    ],
    ["another one", balancer({}), "LoadBalancer a - - - -"],
  ];
  test.each(table)("%s", (_name, service, expected) =>
    expect(hopsOf(WORKLOAD, service).map(brief)).toEqual([expected]),
  );
});

describe("a sidecar", () => {
  const table: readonly (readonly [string, Json, string])[] = [
    ["Istio's with its default", { "sidecar.istio.io/inject": "true" }, "istio-proxy - - 5* -"],
    [
      "Istio's with a drain in its annotation",
      {
        "sidecar.istio.io/inject": "true",
        "proxy.istio.io/config": "terminationDrainDuration: 80s",
      },
      "istio-proxy - - 80 -",
    ],
    [
      "Istio's that waits for connections",
      {
        "sidecar.istio.io/inject": "true",
        "proxy.istio.io/config": '{"proxyMetadata":{"EXIT_ON_ZERO_ACTIVE_CONNECTIONS":"true"}}',
      },
      "istio-proxy - - - -",
    ],
    [
      "Istio's that is native",
      { "sidecar.istio.io/inject": "true", "sidecar.istio.io/nativeSidecar": "true" },
      "istio-proxy - - - -",
    ],
    [
      "Istio's with an annotation that is no YAML",
      { "sidecar.istio.io/inject": "true", "proxy.istio.io/config": "a: [" },
      "istio-proxy - - 5* -",
    ],
    ["Linkerd's with its default", { "linkerd.io/inject": "enabled" }, "linkerd-proxy - - 120* -"],
    [
      "Linkerd's with its own grace, and a wait before",
      {
        "linkerd.io/inject": "enabled",
        "config.linkerd.io/shutdown-grace-period": "100s",
        "config.alpha.linkerd.io/proxy-wait-before-exit-seconds": "20",
      },
      "linkerd-proxy - - 120 -",
    ],
    [
      "Linkerd's that is native",
      {
        "linkerd.io/inject": "enabled",
        "config.beta.linkerd.io/proxy-enable-native-sidecar": "true",
      },
      "linkerd-proxy - - - -",
    ],
  ];
  test.each(table)("%s", (_name, annotations, expected) =>
    expect(hopsOf(withPod(annotations), SERVICE).map(brief)).toEqual([expected]),
  );

  test("is Istio's where the mesh says how long it drains", () => {
    const mesh = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "istio", namespace: "istio-system" },
      data: { mesh: "defaultConfig:\n  terminationDrainDuration: 60s\n" },
    };
    expect(
      hopsOf(withPod({ "sidecar.istio.io/inject": "true" }), SERVICE, mesh).map(brief),
    ).toEqual(["istio-proxy - - 60 -"]);
  });

  test("is not there where it is turned off in a namespace that has it", () => {
    const namespace = {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "n", labels: { "istio-injection": "enabled" } },
    };
    expect(hopsOf(WORKLOAD, SERVICE, namespace).map(brief)).toEqual(["istio-proxy - - 5* -"]);
    expect(hopsOf(withPod({ "sidecar.istio.io/inject": "false" }), SERVICE, namespace)).toEqual([]);
  });
});

test("who is not asked for is not looked at: databases, proxies, the cluster's own, clients of a node", () => {
  const workload = (name: string, image: string, extra: Json = {}): Json => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: name },
    spec: {
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name, image, ...extra }] },
      },
    },
  });
  const service = (name: string, spec: Json = {}): Json => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: name },
    spec: { selector: { app: name }, ports: [{ port: 1 }], ...spec },
  });
  const text = [
    workload("db", "postgres:17"),
    workload("store", "valkey/valkey:8"),
    workload("kube-system", "coredns:1"),
    workload("client", "registry.example/backend:1", {
      env: [{ name: "HOLDFAST_URL", value: "http://live" }],
    }),
    workload("chat", "registry.example/chat:1"),
    service("db"),
    service("store"),
    service("kube-system", { type: "NodePort" }),
    service("client"),
    service("chat", { type: "NodePort" }),
  ].map((one) => stringify(one));
  const clientPaths = clientPathsOf(
    createSnapshot(readManifests(text.join("---\n"), "x").objects, { nodeOptions: NODE_OPTIONS }),
  );
  expect(clientPaths.map(({ workload: { object } }) => object.name)).toEqual(["chat"]);
});
