// Owns: a client's path to the pods of a workload: every hop that was found, outermost first.

import type { KubeObject } from "@holdfast/kube";
import { at, list, text } from "@holdfast/kube";
import { type ClusterSnapshot, sameNamespace } from "./cluster-snapshot.ts";
import { type Load, loadOf } from "./load.ts";
import { type Machine, machinesOf } from "./machines.ts";
import { frontsNamed, frontsOfIngress } from "./network-hops/fronts.ts";
import { routeHops, routesOf } from "./network-hops/gateway-api.ts";
import { ingressesOf, ingressHop, traefikDrain } from "./network-hops/ingress.ts";
import {
  destinationRuleHop,
  destinationRulesOf,
  istioGatewayHops,
  knativeHop,
  sidecarHops,
  virtualServicesOf,
} from "./network-hops/mesh.ts";
import type { NetworkHop } from "./network-hops/network-hop.ts";
import { loadBalancerHop } from "./network-hops/service.ts";
import { isDatabase, isRedis, saysWebSocket, type Workload, workloadsOf } from "./workload.ts";

export interface ClientPath {
  readonly workload: Workload;
  readonly load: Load;
  readonly hops: readonly NetworkHop[];
  readonly ingresses: readonly KubeObject[];
  readonly routes: readonly KubeObject[];
  readonly virtualServices: readonly KubeObject[];
  readonly destinationRules: readonly KubeObject[];
  /** Where its pods run, if a live cluster was read. */
  readonly machines: readonly Machine[];
  /** Whether clients outside of the cluster reach it. */
  readonly exposed: boolean;
}

/**
 * The workloads that matter. If some are named, those. Otherwise those that say WebSocket or are
 * reached from outside. Otherwise all that have a Service and are no database.
 */
export function clientPathsOf(snapshot: ClusterSnapshot): readonly ClientPath[] {
  const named = snapshot.options.workloads ?? [];
  const all = workloadsOf(snapshot);
  if (named.length > 0)
    return all
      .filter(({ object }) => named.includes(object.name))
      .map((workload) => clientPathOf(workload, snapshot));
  const candidates = all
    .filter(
      (workload) =>
        !isRedis(workload) &&
        !isDatabase(workload) &&
        !isProxy(workload) &&
        !isOfTheCluster(workload),
    )
    .filter(
      (workload) => workload.own || workload.kind === "Service" || workload.services.length > 0,
    )
    .map((workload) => clientPathOf(workload, snapshot));
  const sure = candidates.filter(
    (clientPath) => clientPath.exposed || saysWebSocket(clientPath.workload),
  );
  return sure.length > 0 ? sure : candidates;
}

/** Names alone do not prove a gateway or a controller: applications have such names too. */
const PROXY_IMAGE =
  /(^|\/)(traefik|haproxy|haproxy-ingress|kubernetes-ingress|ingress-nginx\/controller|nginx-ingress(-controller)?|istio\/proxyv2|envoy|envoyproxy\/gateway)(:|@|$)/;

/** DNS, metrics and their like have Services too. */
function isOfTheCluster({ object }: Workload): boolean {
  return /^kube-(system|public|node-lease)$/.test(object.namespace);
}

function isProxy({ main }: Workload): boolean {
  return PROXY_IMAGE.test(text(main.body.image) ?? "");
}

function clientPathOf(workload: Workload, snapshot: ClusterSnapshot): ClientPath {
  const ingresses = ingressesOf(workload, snapshot);
  const routes = routesOf(workload, snapshot);
  const virtualServices = virtualServicesOf(workload, snapshot);
  const destinationRules = destinationRulesOf(workload, snapshot);
  const traefik = traefikRoutesOf(workload, snapshot);
  const balancers = workload.services.flatMap((service) => loadBalancerHop(service) ?? []);
  const entrances = [
    ...balancers,
    ...ingresses.map((ingress) => ({
      ...ingressHop(ingress, workload, snapshot),
      before: frontsOfIngress(ingress, snapshot),
    })),
    ...routes.flatMap((route) => routeHops(route, workload, snapshot)),
    ...traefik.map((route) => traefikHop(route, snapshot)),
    ...virtualServices.flatMap((virtual) => istioGatewayHops(virtual, snapshot)),
    ...(workload.kind === "Service" ? [knativeHop(workload)] : []),
  ];
  const hops = [
    ...entrances,
    ...destinationRules.map(destinationRuleHop),
    ...sidecarHops(workload, snapshot),
  ];
  const exposed =
    entrances.length > 0 ||
    workload.services.some((service) => text(at(service.body, "spec", "type")) === "NodePort");
  return {
    workload,
    load: loadOf(workload, snapshot),
    machines: machinesOf(snapshot, workload),
    hops,
    ingresses,
    routes,
    virtualServices,
    destinationRules,
    exposed,
  };
}

function traefikHop(route: KubeObject, snapshot: ClusterSnapshot): NetworkHop {
  return {
    kind: "gateway",
    name: `IngressRoute ${route.name} (Traefik)`,
    before: frontsNamed("traefik", snapshot),
    ...traefikDrain(snapshot),
  };
}

function traefikRoutesOf(workload: Workload, snapshot: ClusterSnapshot): readonly KubeObject[] {
  return snapshot.all("IngressRoute").filter((route) => {
    const names = list(at(route.body, "spec", "routes")).flatMap((one) =>
      list(at(one, "services")).map((service) => text(at(service, "name"))),
    );
    return workload.services.some(
      (service) =>
        names.includes(service.name) && sameNamespace(service.namespace, route.namespace),
    );
  });
}
