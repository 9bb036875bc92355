// Owns: rules of routes, gateways and meshes that are no figure of a hop: request timeouts,
// ingress-nginx, buffers, outlier detection, ambient.

import type { KubeObject } from "@holdfast/kube";
import { at, durationSeconds, list, number, record, seconds, text } from "@holdfast/kube";
import type { ClientPath } from "../client-path.ts";
import { type ClusterSnapshot, namespaceLabels, targets } from "../cluster-snapshot.ts";
import { type Finding, finding } from "../finding.ts";
import { controllerOf } from "../network-hops/ingress.ts";
import { patchAt, patchOf } from "../patches.ts";

export function routeRules(clientPath: ClientPath, snapshot: ClusterSnapshot): readonly Finding[] {
  return [
    ...clientPath.routes.filter((route) => !isOfGke(route, snapshot)).flatMap(routeTimeouts),
    ...clientPath.virtualServices.flatMap(virtualTimeouts),
    ...clientPath.ingresses.flatMap((ingress) => retired(ingress, snapshot)),
    ...clientPath.routes.flatMap((route) => requestBuffer(route, snapshot)),
    ...clientPath.destinationRules.flatMap(outliers),
    ...ambient(clientPath, snapshot),
  ];
}

/** GKE has no timeouts in routes; its own are in a GCPBackendPolicy, which a hop knows. */
function isOfGke(route: KubeObject, snapshot: ClusterSnapshot): boolean {
  return list(at(route.body, "spec", "parentRefs")).some((parent) => {
    const gateway = snapshot.one(
      "Gateway",
      text(at(parent, "name")),
      text(at(parent, "namespace")) ?? route.namespace,
    );
    return /^gke-l7-/.test(text(at(gateway?.body, "spec", "gatewayClassName")) ?? "");
  });
}

/** HTTPRoute: `0s` turns a timeout off; if none is set, the implementation chooses. */
function routeTimeouts(route: KubeObject): readonly Finding[] {
  if (route.kind !== "HTTPRoute") return [];
  const rules = list(at(route.body, "spec", "rules"));
  const fields = ["request", "backendRequest"] as const;
  const index = rules.findIndex((rule) =>
    fields.some((field) => durationSeconds(at(rule, "timeouts", field)) !== 0),
  );
  if (index < 0) return [];
  const given = fields.flatMap((field) => {
    const value = durationSeconds(at(rules[index], "timeouts", field));
    return value === undefined || value === 0 ? [] : [`timeouts.${field} ${seconds(value)}`];
  });
  const off = rules.map((rule) => ({
    ...record(rule),
    timeouts: { ...record(at(rule, "timeouts")), request: "0s", backendRequest: "0s" },
  }));
  return [
    finding("route-timeout", {
      severity: given.length > 0 ? "warning" : "info",
      object: route,
      path: ["spec", "rules", index, "timeouts"],
      found:
        given.length > 0
          ? `rule ${index} has ${given.join(" and ")}`
          : `rule ${index} says nothing of timeouts, and the implementation chooses`,
      fix: "Set them to 0s, which turns them off.",
      patch: patchOf(route, { spec: { rules: off } }),
    }),
  ];
}

function virtualTimeouts(virtual: KubeObject): readonly Finding[] {
  const http = list(at(virtual.body, "spec", "http"));
  const index = http.findIndex((route) => (durationSeconds(at(route, "timeout")) ?? 0) > 0);
  if (index < 0) return [];
  const off = http.map((route) =>
    at(route, "timeout") === undefined ? route : { ...record(route), timeout: "0s" },
  );
  return [
    finding("route-timeout", {
      object: virtual,
      path: ["spec", "http", index, "timeout"],
      found: `http[${index}].timeout is ${seconds(durationSeconds(at(http[index], "timeout")) ?? 0)}`,
      fix: "Set it to 0s, which turns it off.",
      patch: patchOf(virtual, { spec: { http: off } }),
    }),
  ];
}

function retired(ingress: KubeObject, snapshot: ClusterSnapshot): readonly Finding[] {
  if (controllerOf(ingress, snapshot) !== "ingress-nginx") return [];
  return [
    finding("ingress-nginx-retired", {
      object: ingress,
      path: ["spec", "ingressClassName"],
      found: `Ingress ${ingress.name} is served by ingress-nginx: no release since v1.15.1 of March 2026, and no fixes to come`,
      fix: "Move to Gateway API (an HTTPRoute) or to another controller; until then give WebSockets a controller, and so an IngressClass, of their own.",
    }),
  ];
}

function requestBuffer(route: KubeObject, snapshot: ClusterSnapshot): readonly Finding[] {
  return snapshot
    .all("BackendTrafficPolicy", "gateway.envoyproxy.io")
    .filter(
      (policy) => targets(policy, route) && at(policy.body, "spec", "requestBuffer") !== undefined,
    )
    .map((policy) =>
      finding("request-buffer", {
        object: policy,
        path: ["spec", "requestBuffer"],
        found: `BackendTrafficPolicy ${policy.name} has requestBuffer`,
        fix: "Remove it from the policy of this route.",
        patch: patchAt(policy, ["spec", "requestBuffer"], null),
      }),
    );
}

const EJECTION_PERCENT_MAX = 50;

function outliers(rule: KubeObject): readonly Finding[] {
  const path = ["spec", "trafficPolicy", "outlierDetection"];
  const percent = number(at(rule.body, ...path, "maxEjectionPercent")) ?? 10;
  if (at(rule.body, ...path) === undefined || percent <= EJECTION_PERCENT_MAX) return [];
  return [
    finding("outlier-ejection", {
      object: rule,
      path: [...path, "maxEjectionPercent"],
      found: `maxEjectionPercent is ${percent}`,
      fix: `Set it to ${EJECTION_PERCENT_MAX} or less (10 is Istio's default).`,
      patch: patchAt(rule, [...path, "maxEjectionPercent"], EJECTION_PERCENT_MAX),
    }),
  ];
}

function ambient({ workload }: ClientPath, snapshot: ClusterSnapshot): readonly Finding[] {
  const mode =
    text(workload.podLabels["istio.io/dataplane-mode"]) ??
    text(namespaceLabels(snapshot, workload.object.namespace)["istio.io/dataplane-mode"]);
  if (mode !== "ambient") return [];
  return [
    finding("ambient-ztunnel", {
      object: workload.object,
      found: "istio.io/dataplane-mode is ambient",
      fix: "Cordon and drain a node before its ztunnel is upgraded.",
    }),
  ];
}
