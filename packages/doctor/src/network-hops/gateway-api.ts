// Owns: hops of Gateway API routes, by the implementation behind their gateway: Envoy Gateway, GKE,
// Istio, others without figures.
import type { KubeObject } from "@holdfast/kube";
import { at, durationSeconds, list, number, text } from "@holdfast/kube";
import { type ClusterSnapshot, sameNamespace, targets } from "../cluster-snapshot.ts";
import { creation, patchAt } from "../patches.ts";
import type { Workload } from "../workload.ts";
import { gkeKnobs } from "./cloud-ingress.ts";
import { frontsOfGateway } from "./fronts.ts";
import type { Knob, NetworkHop } from "./network-hop.ts";

/**
 * Envoy's own circuit breaker, which Envoy Gateway keeps: 1024 connections and as many requests of
 * a cluster.
 */
const ENVOY_CONNECTIONS = 1024;
/**
 * The limit that fixes set. It is far above what a proxy holds, so that the pods' own limits
 * decide.
 */
export const CONNECTIONS_RAISED = 1_000_000;

const HTTP_ROUTES = ["HTTPRoute", "TLSRoute", "TCPRoute"] as const;

/** Routes that lead to a Service of the workload. */
export function routesOf(workload: Workload, snapshot: ClusterSnapshot): readonly KubeObject[] {
  return HTTP_ROUTES.flatMap((kind) => snapshot.all(kind, "gateway.networking.k8s.io")).filter(
    (route) => {
      const refs = list(at(route.body, "spec", "rules")).flatMap((rule) =>
        list(at(rule, "backendRefs")),
      );
      return refs.some(
        (ref) =>
          (text(at(ref, "kind")) ?? "Service") === "Service" &&
          workload.services.some(
            (service) =>
              service.name === text(at(ref, "name")) &&
              sameNamespace(service.namespace, text(at(ref, "namespace")) ?? route.namespace),
          ),
      );
    },
  );
}

export function routeHops(
  route: KubeObject,
  workload: Workload,
  snapshot: ClusterSnapshot,
): readonly NetworkHop[] {
  return list(at(route.body, "spec", "parentRefs")).flatMap((parent): readonly NetworkHop[] => {
    const name = text(at(parent, "name")) ?? "";
    if ((text(at(parent, "kind")) ?? "Gateway") !== "Gateway") return [];
    const gateway = snapshot.one("Gateway", name, text(at(parent, "namespace")) ?? route.namespace);
    const className = text(at(gateway?.body, "spec", "gatewayClassName")) ?? "";
    const shown = `Gateway ${name}`;
    const before = frontsOfGateway(name, snapshot);
    if (/^gke-l7-/.test(className)) return [gke(`${shown} (GKE)`, workload, snapshot)];
    if (isEnvoyGateway(className, snapshot))
      return [
        {
          ...envoyGateway(
            { route, gateway, className, name: `${shown} (Envoy Gateway)` },
            snapshot,
          ),
          before,
        },
      ];
    return [
      { kind: "gateway", name: className === "" ? shown : `${shown} (${className})`, before },
    ];
  });
}

function isEnvoyGateway(className: string, snapshot: ClusterSnapshot): boolean {
  const controller = text(
    at(snapshot.one("GatewayClass", className, "")?.body, "spec", "controllerName"),
  );
  return controller === undefined
    ? /^(eg|envoy|envoy-gateway)$/.test(className)
    : controller.startsWith("gateway.envoyproxy.io/");
}

function gke(name: string, workload: Workload, snapshot: ClusterSnapshot): NetworkHop {
  const service = workload.services[0] ?? workload.object;
  const policy = snapshot.all("GCPBackendPolicy").find((one) => targets(one, service));
  return {
    kind: "balancer",
    name,
    ...gkeKnobs({ policy, near: service, path: ["spec", "default"] }),
  };
}

interface EnvoyRoute {
  readonly route: KubeObject;
  readonly gateway: KubeObject | undefined;
  readonly className: string;
  readonly name: string;
}

function envoyGateway(from: EnvoyRoute, snapshot: ClusterSnapshot): NetworkHop {
  const { route, gateway, name } = from;
  const policies = snapshot.all("BackendTrafficPolicy", "gateway.envoyproxy.io");
  const policy =
    policies.find((one) => targets(one, route)) ??
    (gateway === undefined ? undefined : policies.find((one) => targets(one, gateway)));
  const client =
    gateway === undefined
      ? undefined
      : snapshot
          .all("ClientTrafficPolicy", "gateway.envoyproxy.io")
          .find((one) => targets(one, gateway));
  return {
    kind: "gateway",
    name,
    idle: idleOf(policy, client, route),
    drain: drainOf(from, snapshot),
    drainFrom: "sigterm",
    connections: breakerOf(policy, route),
  };
}

function breakerOf(policy: KubeObject | undefined, route: KubeObject): Knob {
  const path = ["spec", "circuitBreaker"];
  const limits = ["maxConnections", "maxParallelRequests"].map((field) =>
    number(at(policy?.body, ...path, field)),
  );
  const raised = (value: number) => ({ maxConnections: value, maxParallelRequests: value });
  const knob = {
    value: Math.min(...limits.map((limit) => limit ?? ENVOY_CONNECTIONS)),
    set: limits.every((limit) => limit !== undefined),
    name: "circuitBreaker.maxConnections, maxParallelRequests",
  };
  if (policy !== undefined)
    return {
      ...knob,
      object: policy,
      path,
      patch: (value) => patchAt(policy, path, raised(value)),
    };
  const targetRefs = [{ group: "gateway.networking.k8s.io", kind: route.kind, name: route.name }];
  return {
    ...knob,
    object: route,
    patch: (value) =>
      creation("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy", {
        near: route,
        spec: { targetRefs, circuitBreaker: raised(value) },
      }),
  };
}

function idleOf(
  policy: KubeObject | undefined,
  client: KubeObject | undefined,
  route: KubeObject,
): Knob {
  const path = ["spec", "timeout", "http", "streamIdleTimeout"];
  const object =
    [policy, client].find((one) => at(one?.body, ...path) !== undefined) ??
    policy ??
    client ??
    route;
  const found = durationSeconds(at(object.body, ...path));
  // Envoy reads 0 as "never".
  const value = found === 0 ? Number.POSITIVE_INFINITY : (found ?? 300);
  const knob = { value, set: found !== undefined, name: "timeout.http.streamIdleTimeout", object };
  return object === route
    ? { ...knob, how: "Set timeout.http.streamIdleTimeout in a BackendTrafficPolicy." }
    : { ...knob, path, patch: (seconds) => patchAt(object, path, `${seconds}s`) };
}

function drainOf({ route, gateway, className }: EnvoyRoute, snapshot: ClusterSnapshot): Knob {
  const reference =
    at(gateway?.body, "spec", "infrastructure", "parametersRef", "name") ??
    at(snapshot.one("GatewayClass", className, "")?.body, "spec", "parametersRef", "name");
  const proxy = snapshot
    .all("EnvoyProxy", "gateway.envoyproxy.io")
    .find(({ name }) => name === text(reference));
  const path = ["spec", "shutdown", "drainTimeout"];
  const found = durationSeconds(at(proxy?.body, ...path));
  const knob = {
    value: found ?? 60,
    set: found !== undefined,
    name: "EnvoyProxy shutdown.drainTimeout",
  };
  if (proxy !== undefined)
    return {
      ...knob,
      object: proxy,
      path,
      patch: (seconds) => patchAt(proxy, path, `${seconds}s`),
    };
  return { ...knob, object: gateway ?? route, how: HOW_ENVOY_PROXY };
}

const HOW_ENVOY_PROXY =
  "Make an EnvoyProxy with spec.shutdown.drainTimeout and name it in the Gateway's (or its class's) parametersRef.";
