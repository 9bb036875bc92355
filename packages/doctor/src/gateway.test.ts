// Checks where findings about gateways begin and end: a good cluster, one change at a time.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { optionRows } from "@holdfast/config";
import { GATEWAY_OPTIONS } from "@holdfast/gateway/options";
import { type Json, type KubeObject, kubeObject, readManifests } from "@holdfast/kube";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { stringify } from "yaml";
import { diagnose, findingsOf } from "./diagnose.ts";
import { GATEWAY_DEFAULTS } from "./gateway.ts";
import { merged } from "./patches.ts";

const GOOD = readManifests(
  readFileSync(new URL("../../../test/doctor/good/gateway.yaml", import.meta.url), "utf8"),
  "good.yaml",
).objects;

type Objects = readonly KubeObject[];

const changed = (kind: string, name: string, change: Json): Objects =>
  GOOD.map((object) =>
    object.kind === kind && object.name === name
      ? kubeObject(merged(object.body, change), object.placeOf)
      : object,
  );
const GAME = { namespace: "shop", name: "game", port: "ws" };
const file = (config: Json): Objects =>
  changed("ConfigMap", "gw", { data: { "gateway.yaml": stringify(config) } });
const route = (kubernetes: Json, more: Json = {}): Objects =>
  file({
    limits: { idleMs: 60_000 },
    routes: [{ name: "game", profile: "stateless", service: { kubernetes }, ...more }],
  });
const game = (spec: Json): Objects =>
  changed("Deployment", "game", { spec: { template: { spec } } });
const container = (more: Json): Json => ({
  containers: [
    {
      ...{ name: "game", image: "game:1", ports: [{ name: "ws", containerPort: 7000 }] },
      ...more,
    },
  ],
});
const sleeps = (seconds: number): Json =>
  container({ lifecycle: { preStop: { sleep: { seconds } } } });
const beside = (...bodies: readonly Json[]): Objects => [
  ...GOOD,
  ...bodies.map((body) => kubeObject(body, () => ({ file: "x", line: 1 }))),
];

test.each<[string, Objects, readonly string[]]>([
  ["everything as it should be", GOOD, []],
  ["the port by the pods' number", route({ ...GAME, port: 7000 }), []],
  ["the only port, unnamed", route({ namespace: "shop", name: "game" }), []],
  ["the Service's own number", route({ ...GAME, port: 80 }), ["gateway-port gw"]],
  ["a name that no port has", route({ ...GAME, port: "http" }), ["gateway-port gw"]],
  ["a Service that was not read", route({ ...GAME, name: "other" }), []],
  ["no profile", route(GAME, { profile: null }), ["gateway-profile-none gw"]],
  [
    "profile none, as a map",
    route(GAME, { profile: { kind: "none" } }),
    ["gateway-profile-none gw"],
  ],
  ["a profile with options", route(GAME, { profile: { kind: "replay", first: 1 } }), []],
  ["just enough time", game(sleeps(20)), []],
  ["a second less", game(sleeps(19)), ["gateway-app-no-time game"]],
  ["no hook", game(container({})), ["gateway-app-no-time game"]],
  [
    "a hook that nobody can judge",
    game(container({ lifecycle: { preStop: { httpGet: { path: "/drain", port: 1 } } } })),
    [],
  ],
  [
    "connections that are not known, and time to notice",
    changed("Deployment", "game", {
      spec: { template: { metadata: { annotations: null }, spec: sleeps(5) } },
    }),
    [],
  ],
  ["a grace period like the window", game({ terminationGracePeriodSeconds: 30 }), []],
  [
    "a grace period shorter than the window",
    game({ terminationGracePeriodSeconds: 29 }),
    ["gateway-window-over-grace game"],
  ],
  [
    "a balancer that leads to the application",
    changed("Service", "game", { spec: { type: "LoadBalancer" } }),
    ["gateway-bypassed game"],
  ],
  [
    "a Service of the application for something else",
    beside({
      ...{ apiVersion: "v1", kind: "Service", metadata: { name: "metrics", namespace: "shop" } },
      spec: { selector: { app: "game" }, ports: [{ port: 9000 }] },
    }),
    [],
  ],
  ["a file that is no YAML", file({}).map((one) => broken(one)), []],
  [
    "a shorter grace period of the gateway",
    changed("Deployment", "gw", {
      spec: { template: { spec: { terminationGracePeriodSeconds: 70 } } },
    }),
    ["grace-too-short gw"],
  ],
  [
    "an Ingress that is less patient than the gateway's ping",
    changed("Ingress", "game", {
      metadata: { annotations: { "haproxy-ingress.github.io/timeout-tunnel": "40s" } },
    }),
    ["idle-timeout game"],
  ],
])("%s", (_name, objects, expected) => {
  const found = findingsOf(diagnose(objects, { nodeOptions: NODE_OPTIONS }));
  // What is said of an application that is reached from outside is not about the gateway.
  const own = found.filter(
    ({ id, object }) => object.name !== "game" || /^(gateway|idle)/.test(id),
  );
  expect(own.map(({ id, object }) => `${id} ${object.name}`)).toEqual([...expected]);
});

function broken(object: KubeObject): KubeObject {
  return object.kind === "ConfigMap"
    ? kubeObject(
        { ...object.body, data: { "gateway.yaml": "limits: {idleMs: 60000\n  - [" } },
        object.placeOf,
      )
    : object;
}

test("the defaults are those of the gateway's options", () => {
  const defaults = Object.fromEntries(
    optionRows(GATEWAY_OPTIONS).map(({ name, option }) => [name, option.default]),
  );
  for (const [name, value] of Object.entries(GATEWAY_DEFAULTS)) expect(defaults[name]).toBe(value);
});
