// Owns: what the doctor reads of a gateway of ours: its routes and its times, from the arguments,
// the environment and the mounted file.
import { at, durationSeconds, type Json, list, number, record, text } from "@holdfast/kube";
import { parse } from "yaml";
import type { ClusterSnapshot } from "./cluster-snapshot.ts";
import { mountedText } from "./own-options.ts";
import type { Container, Workload } from "./workload.ts";

export interface GatewayRoute {
  readonly name: string;
  readonly profile: string;
  readonly namespace: string;
  /** Name of the Service. */
  readonly service: string;
  readonly port: string | number | undefined;
}

/** Times in seconds. */
export interface GatewayFacts {
  /** Routes to Services of Kubernetes. */
  readonly routes: readonly GatewayRoute[];
  readonly clientsMax: number;
  readonly handshakesPerSecond: number;
  /** A client that is silent for so long is pinged. */
  readonly pingSeconds: number;
  /** Of its own drain: until the first close, and over how long they are closed. */
  readonly preDelaySeconds: number;
  readonly windowSeconds: number;
  /** How long emptying an endpoint may take, and how many clients leave it in a second. */
  readonly movesSeconds: number;
  readonly movesPerSecond: number;
}

/** docs/reference/gateway.md has them; a test compares. */
export const GATEWAY_DEFAULTS = {
  "limits.clientsMax": 10_000,
  "limits.idleMs": 120_000,
  "admission.handshakesPerSecond": 500,
  "drain.preDelayMs": 5000,
  "drain.windowMs": 30_000,
  "moves.windowMs": 30_000,
  "moves.handshakesPerSecond": 500,
  "moves.perSecondMax": 1000,
} as const;

/** Part of A that a drain uses. */
const SHARE_OF_A = 0.7;

/** Undefined: it is no gateway of ours. */
export function gatewayOf(
  workload: Pick<Workload, "containers" | "object" | "podSpec">,
  snapshot: ClusterSnapshot,
): GatewayFacts | undefined {
  const container = workload.containers.find(isGateway);
  if (container === undefined) return undefined;
  const file = fileOf(workload, container, snapshot);
  const figure = (name: keyof typeof GATEWAY_DEFAULTS): number => {
    const words = name.replaceAll(".", "_").replaceAll(/([a-z])([A-Z])/g, "$1_$2");
    const variable = `HOLDFAST_GATEWAY_${words.toUpperCase()}`;
    const given = list(container.body.env).find((one) => text(at(one, "name")) === variable);
    const found = at(given, "value") ?? at(file, ...name.split("."));
    const value = name.endsWith("Ms") ? inMs(found) : number(found);
    return value ?? GATEWAY_DEFAULTS[name];
  };
  return {
    routes: list(file.routes).flatMap((route) => routeOf(route, workload.object.namespace)),
    clientsMax: figure("limits.clientsMax"),
    handshakesPerSecond: figure("admission.handshakesPerSecond"),
    pingSeconds: pingSeconds(figure("limits.idleMs") / 1000),
    preDelaySeconds: figure("drain.preDelayMs") / 1000,
    windowSeconds: figure("drain.windowMs") / 1000,
    movesSeconds: figure("moves.windowMs") / 1000,
    movesPerSecond: Math.min(
      SHARE_OF_A * figure("moves.handshakesPerSecond"),
      figure("moves.perSecondMax"),
    ),
  };
}

const isGateway = ({ body }: Container): boolean =>
  text(list(body.args)[0]) === "gateway" && /(^|\/)holdfast(:|@|$)/.test(text(body.image) ?? "");

function fileOf(
  workload: Pick<Workload, "object" | "podSpec">,
  container: Container,
  snapshot: ClusterSnapshot,
): Json {
  const words = list(container.body.args).flatMap((word) => (text(word) ?? "").split(/=(.*)/s));
  const flag = words.findIndex((word) => word === "--config" || word === "-c");
  const path = flag < 0 ? undefined : words[flag + 1];
  const found =
    path === undefined ? undefined : mountedText({ ...workload, main: container }, path, snapshot);
  try {
    return record(parse(found ?? ""));
  } catch {
    return {};
  }
}

function routeOf(route: unknown, ownNamespace: string): readonly GatewayRoute[] {
  const service = at(route, "service", "kubernetes");
  const name = text(at(service, "name"));
  if (name === undefined) return [];
  const profile = at(route, "profile");
  const port = at(service, "port");
  return [
    {
      name: text(at(route, "name")) ?? "?",
      profile: text(profile) ?? text(at(profile, "kind")) ?? "none",
      namespace: text(at(service, "namespace")) ?? ownNamespace,
      service: name,
      port: number(port) ?? text(port),
    },
  ];
}

function inMs(value: unknown): number | undefined {
  const found = durationSeconds(value, "ms");
  return found === undefined ? undefined : found * 1000;
}

/** Bun pings 16 s before it cuts a silent client, and later if that leaves too little. */
function pingSeconds(idleSeconds: number): number {
  const margin = idleSeconds >= 48 ? 16 : idleSeconds >= 24 ? 8 : 4;
  return Math.max(1, idleSeconds - margin);
}
