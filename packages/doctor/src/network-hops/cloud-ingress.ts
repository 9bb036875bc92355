// Owns: hops of the clouds' application load balancers: AWS, Azure, GKE.
import { annotationsOf, at, type KubeObject, number, record, text } from "@holdfast/kube";
import { type ClusterSnapshot, sameNamespace } from "../cluster-snapshot.ts";
import { annotationPatch, patchAt } from "../patches.ts";
import type { Workload } from "../workload.ts";
import { annotated } from "./annotated.ts";
import type { Knob, NetworkHop } from "./network-hop.ts";

export function alb(ingress: KubeObject, name: string): NetworkHop {
  const knob = (annotation: string, attribute: string, fallback: number): Knob => {
    const written = text(annotationsOf(ingress)[annotation]) ?? "";
    const others = written
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "" && !part.startsWith(`${attribute}=`));
    const found = number(
      new RegExp(`${attribute.replaceAll(".", "\\.")}=(\\d+)`).exec(written)?.[1],
    );
    return {
      value: found ?? fallback,
      set: found !== undefined,
      name: attribute,
      object: ingress,
      path: ["metadata", "annotations", annotation],
      patch: (seconds) =>
        annotationPatch(ingress, {
          [annotation]: [...others, `${attribute}=${seconds}`].join(","),
        }),
    };
  };
  return {
    kind: "balancer",
    name,
    idle: knob(
      "alb.ingress.kubernetes.io/load-balancer-attributes",
      "idle_timeout.timeout_seconds",
      60,
    ),
    drain: knob(
      "alb.ingress.kubernetes.io/target-group-attributes",
      "deregistration_delay.timeout_seconds",
      300,
    ),
    drainFrom: "deletion",
  };
}

export function agic(ingress: KubeObject, name: string): NetworkHop {
  const prefix = "appgw.ingress.kubernetes.io/";
  const on = text(annotationsOf(ingress)[`${prefix}connection-draining`]) === "true";
  const drain = annotated({
    object: ingress,
    key: `${prefix}connection-draining-timeout`,
    fallback: 30,
  });
  const turnOn = (seconds: number) =>
    annotationPatch(ingress, {
      [`${prefix}connection-draining`]: "true",
      [`${prefix}connection-draining-timeout`]: String(seconds),
    });
  return {
    kind: "balancer",
    name,
    idle: annotated({ object: ingress, key: `${prefix}request-timeout`, fallback: 30 }),
    drain: on
      ? drain
      : { ...drain, value: 0, set: false, name: `${prefix}connection-draining`, patch: turnOn },
    drainFrom: "deletion",
  };
}

/** GKE's Application Load Balancers: figures are in a BackendConfig, which the Service names. */
export function gke(name: string, workload: Workload, snapshot: ClusterSnapshot): NetworkHop {
  const service = workload.services[0] ?? workload.object;
  const named = parsed(text(annotationsOf(service)["cloud.google.com/backend-config"]) ?? "");
  const names = [at(named, "default"), ...Object.values(record(at(named, "ports")))].map(text);
  const config = snapshot
    .all("BackendConfig")
    .find((one) => names.includes(one.name) && sameNamespace(one.namespace, service.namespace));
  return { kind: "balancer", name, ...gkeKnobs({ policy: config, near: service, path: ["spec"] }) };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/**
 * The two figures of a GKE back end, in a BackendConfig (`spec`) or a GCPBackendPolicy
 * (`spec.default`).
 */
export function gkeKnobs(from: {
  readonly policy: KubeObject | undefined;
  readonly near: KubeObject;
  readonly path: readonly string[];
}): Partial<NetworkHop> {
  const { policy, near, path } = from;
  const knob = (field: readonly string[], fallback: number): Knob => {
    const found = number(at(policy?.body, ...path, ...field));
    const base = { value: found ?? fallback, set: found !== undefined, name: field.join(".") };
    if (policy === undefined)
      return {
        ...base,
        object: near,
        how: `Give the Service a back-end policy (BackendConfig or GCPBackendPolicy) that sets ${field.join(".")}.`,
      };
    return {
      ...base,
      object: policy,
      path: [...path, ...field],
      patch: (value) => patchAt(policy, [...path, ...field], value),
    };
  };
  return {
    lifetime: knob(["timeoutSec"], 30),
    drain: knob(["connectionDraining", "drainingTimeoutSec"], 0),
    drainFrom: "deletion",
  };
}
