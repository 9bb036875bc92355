// Checks NOTES.txt: the next step, the arithmetic, and the warnings that belong to the values.
import { expect, test } from "bun:test";
import { BASE, CASES, merged } from "./cases.ts";
import { notes, type Values } from "./helm.ts";

test.each(CASES.filter(({ name }) => name.startsWith("example-")))(
  "$name says the next step and the drain",
  async ({ source }) => {
    const text = await notes(source);
    expect(text).toContain("helm -n realtime test rt --logs");
    expect(text).toMatch(
      /SIGTERM to end M \d+ s = pre-delay P \d+ \+ window W \d+ \+ tail T 5; grace period \d+ s/,
    );
    expect(text).toMatch(/N \/ \(0\.7 A\) = [\d.]+ s of the [\d.]+ s/);
    // rollout status ends before the drains do.
    expect(text).toMatch(/xargs -r kubectl -n realtime wait --for=delete --timeout=\d+s\n/);
    expect(text).not.toContain("%!");
  },
);

const TOLD: readonly (readonly [string, Values, string])[] = [
  [
    "the deadline raises the pace",
    { connections: { perPod: 20_000 } },
    "N / (0.7 A) = 57.1 s, and there are 50 s. drain.maxSeconds 83 would keep it",
  ],
  [
    "the trial Valkey",
    { broker: { mode: "valkey", url: "", valkey: { existingSecret: { name: "x" } } } },
    "THE BUNDLED VALKEY IS FOR TRIALS",
  ],
  [
    "the trial Valkey that stays beside another broker",
    { broker: { valkey: { keep: true, existingSecret: { name: "x" } } } },
    "upgrade without broker.valkey.keep",
  ],
  [
    "a budget that blocks every drain",
    { podDisruptionBudget: { maxUnavailable: 0 } },
    "maxUnavailable 0 lets nobody drain a machine",
  ],
  ["memory", { broker: { mode: "memory", url: "" }, replicas: 1 }, "broker is in the pod's memory"],
  ["pages of other hosts", {}, "config.allowedOrigins"],
  ["open to everyone", { config: { auth: { insecure: true } } }, "everyone who can reach the pods"],
  [
    "nobody is told apart",
    { expose: { mode: "gateway", gateway: { parentRefs: [{ name: "g" }] } } },
    "config.trustedProxies",
  ],
  ["plain text at a balancer", { expose: { mode: "loadBalancer" } }, "plain ws://"],
  ["a StatefulSet of one", { kind: "StatefulSet", replicas: 1 }, "no surge"],
  [
    "a retired controller",
    { expose: { mode: "ingress", hosts: ["h"], ingress: { controller: "nginx" } } },
    "ingress-nginx is retired",
  ],
  [
    "HAProxy's own time",
    { expose: { mode: "ingress", hosts: ["h"], ingress: { controller: "haproxytech" } } },
    "hard-stop-after to at least M + 5 = 80 s",
  ],
  [
    "haproxy-ingress's own time",
    { expose: { mode: "ingress", hosts: ["h"], ingress: { controller: "haproxy" } } },
    "timeout-stop to at least M + 5 = 80 s, or a reload cuts connections before they moved; close-sessions-duration",
  ],
  [
    "Traefik's own time",
    { expose: { mode: "ingress", hosts: ["h"], ingress: { controller: "traefik" } } },
    "graceTimeOut to at least M + 5 = 80 s",
  ],
  [
    "ALB's checks",
    { expose: { mode: "ingress", hosts: ["h"], ingress: { controller: "alb" } } },
    "networkPolicy.monitoring",
  ],
  [
    "EnvoyProxy that nobody names",
    {
      expose: { mode: "gateway", gateway: { parentRefs: [{ name: "g" }] } },
      mesh: { envoyGateway: { enabled: true } },
    },
    "infrastructure.parametersRef",
  ],
  [
    "no recording rule",
    { autoscaling: { mode: "keda", keda: { serverAddress: "http://p:9090" } } },
    "holdfast:connections:sum",
  ],
  [
    "an adapter",
    { autoscaling: { mode: "hpa-pods" } },
    "holdfast_connections_pod by custom.metrics.k8s.io",
  ],
  [
    "ambient without a waypoint",
    { mesh: { istio: { enabled: true, mode: "ambient" } } },
    "mesh.istio.waypoint",
  ],
];

test.each(TOLD)("warns of %s", async (_name, values, text) => {
  expect(await notes({ values: merged(BASE, values) })).toContain(text);
});

test("a careful production has only the word about machines that are taken back", async () => {
  const { source } = CASES.find(({ name }) => name === "example-production-small") ?? {
    source: { values: {} },
  };
  expect((await notes(source)).split("\n").filter((line) => line.startsWith("  - "))).toEqual([
    expect.stringContaining("taken back"),
  ]);
});
