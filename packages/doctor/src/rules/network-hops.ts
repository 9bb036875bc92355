// Owns: rules that hold for every hop: idle timeouts against pings, ages, drains against the pod's,
// limits of connections.

import { seconds } from "@holdfast/kube";
import type { ClientPath } from "../client-path.ts";
import { type Finding, type FindingParts, finding } from "../finding.ts";
import { CONNECTIONS_RAISED } from "../network-hops/gateway-api.ts";
import type { Knob, NetworkHop } from "../network-hops/network-hop.ts";

/**
 * The values that fixes set: an hour, the least time that connections should live; and a day if
 * only age cuts them.
 */
const IDLE_SECONDS = 3600;
const LIFETIME_SECONDS = 86_400;
/** If the ping interval is not known: many libraries ping every 30 or 60 s, or not at all. */
const UNKNOWN_PING_SECONDS = 60;
/** A proxy that is gone so soon after its pod's SIGTERM is gone before any drain. */
const ANY_DRAIN_SECONDS = 10;

export function hopRules(clientPath: ClientPath): readonly Finding[] {
  const all = clientPath.hops.flatMap((hop) => [...(hop.before ?? []), hop]);
  return all.flatMap((hop) => [
    ...idle(clientPath, hop),
    ...lifetime(hop),
    ...drain(clientPath, hop),
    ...limit(clientPath, hop),
  ]);
}

function basis(knob: Knob): string {
  return knob.set ? knob.name : `${knob.name}, by default`;
}

/** Object, place and patch of a finding about a figure. */
function about(
  knob: Knob,
  value: number,
  wanted: string,
): Pick<FindingParts, "object" | "path" | "fix" | "patch"> {
  const set = `Set ${knob.name} to ${wanted}.`;
  return {
    object: knob.object,
    ...(knob.path === undefined ? {} : { path: knob.path }),
    fix: knob.how === undefined ? set : `${set} ${knob.how}`,
    ...(knob.patch === undefined ? {} : { patch: knob.patch(value) }),
  };
}

function idle({ load }: ClientPath, hop: NetworkHop): readonly Finding[] {
  const ping = load.pingSeconds;
  const assumed = load.pingBasis === "assumed";
  const reserve = assumed ? Math.max(2 * ping, UNKNOWN_PING_SECONDS) : 2 * ping;
  if (hop.idle === undefined || hop.idle.value > reserve) return [];
  const value = seconds(hop.idle.value);
  const cuts = hop.idle.value <= ping;
  const near = hop.idle.value <= 2 * ping;
  const wanted = Math.min(
    Math.max(IDLE_SECONDS, 3 * ping),
    hop.idle.most ?? Number.POSITIVE_INFINITY,
  );
  return [
    finding("idle-timeout", {
      severity: cuts ? "error" : "warning",
      ...about(hop.idle, wanted, `${wanted} s`),
      found: `${hop.name} closes connections that are silent for ${value} (${basis(hop.idle)}); clients ping every ${seconds(ping)}${assumed ? " (assumed; --ping tells it)" : ""}`,
      sum: cuts
        ? `${value} <= ping ${seconds(ping)}`
        : near
          ? `${value} <= 2 x ping = ${seconds(2 * ping)}: one lost ping is enough`
          : `${value} <= ${UNKNOWN_PING_SECONDS} s: too little for many libraries' pings`,
    }),
  ];
}

function lifetime(hop: NetworkHop): readonly Finding[] {
  const knob = hop.lifetime;
  if (knob === undefined || knob.value >= LIFETIME_SECONDS) return [];
  if (hop.product === "knative")
    return [
      finding("knative-timeout", {
        object: knob.object,
        ...(knob.path === undefined ? {} : { path: knob.path }),
        found: `timeoutSeconds is ${seconds(knob.value)}${knob.set ? "" : " by default"}`,
        fix: "Run it as a Deployment behind a Service and a route. The most that Knative allows is 600 s: let clients move before that.",
      }),
    ];
  return [
    finding("lifetime-limit", {
      ...about(knob, LIFETIME_SECONDS, `${LIFETIME_SECONDS} s (a day)`),
      severity: knob.value >= IDLE_SECONDS ? "warning" : "error",
      found: `${hop.name} closes every connection after ${seconds(knob.value)} (${basis(knob)})`,
    }),
  ];
}

function drain({ load }: ClientPath, hop: NetworkHop): readonly Finding[] {
  const knob = hop.drain;
  if (knob === undefined) return [];
  const { plan } = load;
  const sidecar = hop.drainFrom === "deletion";
  const needed = sidecar ? plan.sidecarDrainSeconds : plan.gatewayDrainSeconds;
  if (knob.value >= needed) return [];
  const tooSoon =
    hop.kind === "sidecar" && knob.value < (load.drain.preStopSeconds ?? 0) + ANY_DRAIN_SECONDS;
  // If a gateway's configuration is elsewhere, only its default is known.
  const certain =
    tooSoon || (load.drainBasis !== "assumed" && (knob.set || knob.patch !== undefined));
  const [s, m] = [seconds(load.drain.preStopSeconds ?? 0), seconds(load.drain.maxSeconds)];
  return [
    finding("proxy-drain-short", {
      ...about(knob, Math.ceil(needed), `${Math.ceil(needed)} s`),
      severity: certain ? "error" : "warning",
      found: `${hop.name} drains for ${seconds(knob.value)} (${basis(knob)}), the pod for ${m}${load.drainBasis === "assumed" ? " if it uses its grace period" : ""}`,
      sum: sidecar
        ? `S + M + 5 = ${s} + ${m} + 5 s = ${seconds(needed)}`
        : `M + 5 = ${m} + 5 s = ${seconds(needed)}`,
    }),
  ];
}

function limit({ load, workload }: ClientPath, hop: NetworkHop): readonly Finding[] {
  const knob = hop.connections;
  if (knob === undefined) return [];
  const pods = Math.max(1, workload.replicas);
  const all = load.connections * pods;
  if (knob.value >= all) return [];
  return [
    finding("connection-limit", {
      ...about(knob, Math.max(CONNECTIONS_RAISED, all), String(Math.max(CONNECTIONS_RAISED, all))),
      found: `${hop.name} takes ${knob.value} connections in each proxy (${basis(knob)})`,
      sum: `${pods} pods x ${load.connections} connections = ${all} > ${knob.value}`,
    }),
  ];
}
