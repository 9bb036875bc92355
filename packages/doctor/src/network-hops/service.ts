// Owns: hops of Services of type LoadBalancer: AWS (network and classic), Azure, and others without
// figures.
import { annotationsOf, at, type KubeObject, number, text } from "@holdfast/kube";
import { annotationPatch } from "../patches.ts";
import type { Knob, NetworkHop } from "./network-hop.ts";

export const AWS = "service.beta.kubernetes.io/aws-load-balancer-";
const AZURE = "service.beta.kubernetes.io/azure-load-balancer-";
/**
 * What registering and deregistering a target of an AWS network load balancer takes: 180 to 300 s.
 */
const NLB_DEREGISTRATION_SECONDS = 180;

export function loadBalancerHop(service: KubeObject): NetworkHop | undefined {
  if (text(at(service.body, "spec", "type")) !== "LoadBalancer") return undefined;
  const keys = Object.keys(annotationsOf(service));
  if (isNetworkBalancer(service)) return nlb(service);
  if (keys.some((key) => key.startsWith(AWS))) return classic(service);
  if (keys.some((key) => key.startsWith(AZURE))) return azure(service);
  return { kind: "balancer", name: `LoadBalancer ${service.name}` };
}

/** Whether AWS makes a network load balancer of it. */
export function isNetworkBalancer(service: KubeObject): boolean {
  const ofClass = text(at(service.body, "spec", "loadBalancerClass")) ?? "";
  const type = text(annotationsOf(service)[`${AWS}type`]) ?? "";
  return (
    text(at(service.body, "spec", "type")) === "LoadBalancer" &&
    (/nlb/.test(ofClass) || /^(nlb|nlb-ip|external)$/.test(type))
  );
}

function nlb(service: KubeObject): NetworkHop {
  const attributes = text(annotationsOf(service)[`${AWS}target-group-attributes`]) ?? "";
  const listeners = Object.entries(annotationsOf(service)).find(([key]) =>
    key.startsWith(`${AWS}listener-attributes.`),
  );
  const idle = number(/tcp\.idle_timeout\.seconds=(\d+)/.exec(text(listeners?.[1]) ?? "")?.[1]);
  const key = listeners?.[0] ?? `${AWS}listener-attributes.TCP-443`;
  return {
    kind: "balancer",
    name: `LoadBalancer ${service.name} (AWS NLB)`,
    idle: {
      value: idle ?? 350,
      set: idle !== undefined,
      name: "tcp.idle_timeout.seconds",
      object: service,
      path: ["metadata", "annotations", key],
      patch: (seconds) =>
        annotationPatch(service, { [key]: `tcp.idle_timeout.seconds=${seconds}` }),
    },
    ...terminationOf(service, attributes),
    deregistration: {
      value: NLB_DEREGISTRATION_SECONDS,
      set: false,
      name: "deregistration of a target",
      object: service,
    },
  };
}

/**
 * A network load balancer does not end connections of a deregistered pod, unless it is told to end
 * them after the delay.
 */
function terminationOf(service: KubeObject, attributes: string): Partial<NetworkHop> {
  if (!/connection_termination\.enabled=true/.test(attributes)) return {};
  const key = `${AWS}target-group-attributes`;
  const delay = number(/deregistration_delay\.timeout_seconds=(\d+)/.exec(attributes)?.[1]);
  const others = attributes
    .split(",")
    .filter((part) => !part.trim().startsWith("deregistration_delay.timeout_seconds="));
  const drain: Knob = {
    value: delay ?? 300,
    set: delay !== undefined,
    name: "deregistration_delay.timeout_seconds",
    object: service,
    path: ["metadata", "annotations", key],
    patch: (seconds) =>
      annotationPatch(service, {
        [key]: [...others, `deregistration_delay.timeout_seconds=${seconds}`].join(","),
      }),
  };
  return { drain, drainFrom: "deletion" };
}

function classic(service: KubeObject): NetworkHop {
  return {
    kind: "balancer",
    name: `LoadBalancer ${service.name} (AWS classic)`,
    idle: annotation(service, { key: `${AWS}connection-idle-timeout`, fallback: 60, perUnit: 1 }),
  };
}

function azure(service: KubeObject): NetworkHop {
  return {
    kind: "balancer",
    name: `LoadBalancer ${service.name} (Azure)`,
    // Every kind accepts 4 to 30 min; some kinds accept more.
    idle: {
      ...annotation(service, { key: `${AZURE}tcp-idle-timeout`, fallback: 240, perUnit: 60 }),
      most: 1800,
    },
  };
}

function annotation(
  service: KubeObject,
  from: { readonly key: string; readonly fallback: number; readonly perUnit: number },
): Knob {
  const found = number(annotationsOf(service)[from.key]);
  return {
    value: found === undefined ? from.fallback : found * from.perUnit,
    set: found !== undefined,
    name: from.key,
    object: service,
    path: ["metadata", "annotations", from.key],
    patch: (seconds) =>
      annotationPatch(service, { [from.key]: String(Math.ceil(seconds / from.perUnit)) }),
  };
}
