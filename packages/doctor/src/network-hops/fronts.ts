// Owns: the load balancers in front of gateways and controllers, if their Services were read.
import { at, type Json, type KubeObject, labelsOf, record, text } from "@holdfast/kube";
import type { ClusterSnapshot } from "../cluster-snapshot.ts";
import { type Controller, controllerOf } from "./ingress.ts";
import type { NetworkHop } from "./network-hop.ts";
import { loadBalancerHop } from "./service.ts";

/** The names that controllers' charts give their pods (app.kubernetes.io/name). */
const NAMES: Partial<Readonly<Record<Controller, string>>> = {
  "ingress-nginx": "ingress-nginx",
  "nginx-org": "nginx-ingress",
  haproxytech: "kubernetes-ingress",
  "haproxy-ingress": "haproxy-ingress",
  traefik: "traefik",
};

export function frontsOfIngress(
  ingress: KubeObject,
  snapshot: ClusterSnapshot,
): readonly NetworkHop[] {
  const name = NAMES[controllerOf(ingress, snapshot)];
  return name === undefined ? [] : frontsNamed(name, snapshot);
}

export function frontsNamed(name: string, snapshot: ClusterSnapshot): readonly NetworkHop[] {
  return fronts(snapshot, (labels) => text(labels["app.kubernetes.io/name"]) === name);
}

/**
 * Those of a Gateway, by the labels that Envoy Gateway and Istio give to the Services that they
 * make.
 */
export function frontsOfGateway(name: string, snapshot: ClusterSnapshot): readonly NetworkHop[] {
  const keys = [
    "gateway.envoyproxy.io/owning-gateway-name",
    "gateway.networking.k8s.io/gateway-name",
  ];
  return fronts(snapshot, (labels) => keys.some((key) => text(labels[key]) === name));
}

/** Those of the pods that an Istio Gateway selects. */
export function frontsSelecting(selector: Json, snapshot: ClusterSnapshot): readonly NetworkHop[] {
  const wanted = Object.entries(selector);
  return wanted.length === 0
    ? []
    : fronts(snapshot, (labels) =>
        wanted.every(([key, value]) => text(labels[key]) === text(value)),
      );
}

/**
 * Only connections that they cut by themselves count. How long they take to forget a pod concerns
 * the gateway's pods, not those behind it.
 */
function fronts(snapshot: ClusterSnapshot, isOf: (labels: Json) => boolean): readonly NetworkHop[] {
  return snapshot.all("Service", "").flatMap((service) => {
    if (!isOf({ ...labelsOf(service), ...record(at(service.body, "spec", "selector")) })) return [];
    const hop = loadBalancerHop(service);
    if (hop === undefined) return [];
    return [
      { kind: hop.kind, name: hop.name, ...(hop.idle === undefined ? {} : { idle: hop.idle }) },
    ];
  });
}
