// Checks who may talk to whom in an installation: clients to the public port, monitoring to the
// internal one, nodes to the broker, nothing else.
import { expect, test } from "bun:test";
import { BASE, CASES, merged } from "./cases.ts";
import { type KubeObject, NAMESPACE, objects, type Values } from "./helm.ts";
import { type Attempt, allowed, type Peer } from "./network.ts";

const labelsOf = (component: string) => ({
  "app.kubernetes.io/name": "holdfast",
  "app.kubernetes.io/instance": "rt",
  "app.kubernetes.io/component": component,
});
const node: Peer = {
  labels: labelsOf("node"),
  namespace: NAMESPACE,
  ports: { ws: 8000, internal: 9000 },
};
const valkey: Peer = { labels: labelsOf("valkey"), namespace: NAMESPACE, ports: { redis: 6379 } };
const stranger: Peer = { labels: { app: "shop" }, namespace: "shop" };
const neighbour: Peer = { labels: { app: "shop" }, namespace: NAMESPACE };
const prometheus: Peer = { labels: { app: "prometheus" }, namespace: "monitoring" };
const internet: Peer = { namespace: "", address: "203.0.113.9" };
const google: Peer = { namespace: "", address: "35.191.4.2" };
const dns: Peer = { labels: { "k8s-app": "kube-dns" }, namespace: "kube-system" };

type Question = readonly [string, Attempt, boolean];

async function answers(all: readonly KubeObject[], questions: readonly Question[]): Promise<void> {
  expect(questions.map(([name, attempt]) => [name, allowed(all, attempt)])).toEqual(
    questions.map(([name, _attempt, wanted]) => [name, wanted]),
  );
}

const rendered = (values: Values) => objects({ values: merged(BASE, values) });

test("by default", async () => {
  await answers(await rendered({}), [
    ["clients reach the public port", { from: internet, to: node, port: 8000 }, true],
    ["pods of others reach the public port", { from: stranger, to: node, port: 8000 }, true],
    ["clients do not reach the internal port", { from: internet, to: node, port: 9000 }, false],
    [
      "pods of others do not reach the internal port",
      { from: stranger, to: node, port: 9000 },
      false,
    ],
    ["pods of the namespace do not either", { from: neighbour, to: node, port: 9000 }, false],
    ["Prometheus does", { from: prometheus, to: node, port: 9000 }, true],
    ["nothing reaches another port", { from: prometheus, to: node, port: 22 }, false],
    ["nodes reach the broker's port", { from: node, to: internet, port: 6379 }, true],
    ["nodes ask for names", { from: node, to: dns, port: 53, protocol: "UDP" }, true],
    ["OpenShift's answer elsewhere", { from: node, to: dns, port: 5353, protocol: "UDP" }, true],
    ["nodes reach nothing else outside", { from: node, to: internet, port: 443 }, false],
    ["nodes do not reach pods of others", { from: node, to: stranger, port: 8080 }, false],
  ]);
});

test("with the trial Valkey only nodes reach it, and it reaches nobody", async () => {
  await answers(
    await rendered({
      broker: { mode: "valkey", url: "", valkey: { existingSecret: { name: "x" } } },
    }),
    [
      ["nodes reach it", { from: node, to: valkey, port: 6379 }, true],
      ["nodes reach no other Redis", { from: node, to: internet, port: 6379 }, false],
      ["pods of the namespace do not", { from: neighbour, to: valkey, port: 6379 }, false],
      ["pods of others do not", { from: stranger, to: valkey, port: 6379 }, false],
      ["it reaches nobody", { from: valkey, to: internet, port: 443 }, false],
      ["it asks for no names", { from: valkey, to: dns, port: 53, protocol: "UDP" }, false],
    ],
  );
});

test("with an identity provider nodes reach it", async () => {
  const all = await rendered({
    config: { auth: { jwt: { jwksUrl: "https://login.example.com/jwks.json" } } },
  });
  await answers(all, [["nodes reach 443", { from: node, to: internet, port: 443 }, true]]);
});

test("with peers that are named, others are not let in", async () => {
  const all = await rendered({
    networkPolicy: {
      clients: [
        { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "gateways" } } },
      ],
      broker: [{ ipBlock: { cidr: "10.1.0.0/16" } }],
    },
  });
  await answers(all, [
    [
      "the gateway is a client",
      { from: { ...stranger, namespace: "gateways" }, to: node, port: 8000 },
      true,
    ],
    ["others are not", { from: stranger, to: node, port: 8000 }, false],
    [
      "the broker is there",
      { from: node, to: { namespace: "", address: "10.1.2.3" }, port: 6379 },
      true,
    ],
    [
      "and nowhere else",
      { from: node, to: { namespace: "", address: "10.2.2.3" }, port: 6379 },
      false,
    ],
  ]);
});

test("on GKE Google's proxies and health checks come in, and the internet does not come by itself", async () => {
  const { source } = CASES.find(({ name }) => name === "example-gke") ?? {
    source: { values: BASE },
  };
  await answers(await objects(source), [
    ["proxies", { from: google, to: node, port: 8000 }, true],
    ["health checks", { from: google, to: node, port: 9000 }, true],
    ["the internet", { from: internet, to: node, port: 8000 }, false],
  ]);
});

test("in ambient the mesh's own port and the probes' address are let in", async () => {
  const all = await rendered({ mesh: { istio: { enabled: true, mode: "ambient" } } });
  await answers(all, [
    ["the mesh's transport", { from: stranger, to: node, port: 15_008 }, true],
    ["probes", { from: { namespace: "", address: "169.254.7.127" }, to: node, port: 9000 }, true],
    ["nobody else at the internal port", { from: stranger, to: node, port: 9000 }, false],
  ]);
});

test("switched off, everything is open", async () => {
  const all = await rendered({ networkPolicy: { enabled: false } });
  await answers(all, [["the internal port", { from: stranger, to: node, port: 9000 }, true]]);
});
