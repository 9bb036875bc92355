// Owns: the rule about network load balancers that cut the connections of a pod that is alive but
// not ready for newcomers.

import { annotationsOf, at, type KubeObject, text } from "@holdfast/kube";
import type { ClientPath } from "../client-path.ts";
import { type Finding, finding } from "../finding.ts";
import { AWS, isNetworkBalancer } from "../network-hops/service.ts";
import { annotationPatch } from "../patches.ts";

const ATTRIBUTE = "target_health_state.unhealthy.connection_termination.enabled";

export function balancerRules(clientPath: ClientPath): readonly Finding[] {
  return clientPath.workload.services
    .filter(isNetworkBalancer)
    .flatMap((service) => unready(clientPath, service));
}

function unready({ workload }: ClientPath, service: KubeObject): readonly Finding[] {
  const annotations = annotationsOf(service);
  const key = `${AWS}target-group-attributes`;
  const attributes = text(annotations[key]) ?? "";
  if (new RegExp(`${ATTRIBUTE.replaceAll(".", "\\.")}=false`).test(attributes)) return [];
  const asked = text(annotations[`${AWS}healthcheck-path`]);
  const readiness = text(at(workload.main.body, "readinessProbe", "httpGet", "path"));
  // A separate path, such as that of liveness, fails only if the pod is broken.
  if (asked !== undefined && asked !== readiness) return [];
  const others = attributes
    .split(",")
    .filter((part) => part.trim() !== "" && !part.trim().startsWith(`${ATTRIBUTE}=`));
  return [
    finding("balancer-cuts-unready", {
      severity: asked === undefined ? "warning" : "error",
      object: service,
      path: ["metadata", "annotations"],
      found: `${ATTRIBUTE} is true, by default or as set, and the health check asks ${asked === undefined ? "whether the port is open" : `${asked}, as readiness does`}`,
      fix: "Set it to false, and let the health check ask what liveness asks.",
      patch: annotationPatch(service, { [key]: [...others, `${ATTRIBUTE}=false`].join(",") }),
    }),
  ];
}
