// Owns: the whole diagnosis: it takes everything that was read and returns findings by workload.
// Pure.

import type { KubeObject, Unread } from "@holdfast/kube";
import { type ClientPath, clientPathsOf } from "./client-path.ts";
import { createSnapshot, type DoctorOptions } from "./cluster-snapshot.ts";
import type { Finding, Severity } from "./finding.ts";
import { autoscalingRules } from "./rules/autoscaling.ts";
import { balancerRules } from "./rules/balancer.ts";
import { disruptionRules } from "./rules/disruption.ts";
import { gatewayRules } from "./rules/gateway.ts";
import { graceRules } from "./rules/grace.ts";
import { hopRules } from "./rules/network-hops.ts";
import { operatorRules } from "./rules/operators.ts";
import { placementRules } from "./rules/placement.ts";
import { probeRules } from "./rules/probes.ts";
import { proxyRules } from "./rules/proxies.ts";
import { realtimeSetRules } from "./rules/realtime-set.ts";
import { rolloutRules } from "./rules/rollout.ts";
import { routeRules } from "./rules/routes.ts";
import { ipvsRule, serviceRules } from "./rules/service.ts";
import { ownRules, redisRules } from "./rules/store.ts";

export interface WorkloadReport {
  readonly clientPath: ClientPath;
  readonly findings: readonly Finding[];
}

export interface Diagnosis {
  readonly workloads: readonly WorkloadReport[];
  /** Of the cluster, or of what the workloads share. */
  readonly elsewhere: readonly Finding[];
  readonly unread: readonly Unread[];
  readonly objectCount: number;
}

const GRAVITY: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

/**
 * Checks everything once. Each id is reported once for an object, even if several workloads share
 * it.
 */
export function diagnose(
  objects: readonly KubeObject[],
  options: DoctorOptions,
  unread: readonly Unread[] = [],
): Diagnosis {
  const snapshot = createSnapshot(objects, options);
  const seen = new Set<string>();
  const once = (findings: readonly Finding[]): readonly Finding[] =>
    findings
      .filter((one) => {
        const key = JSON.stringify([one.id, one.object, one.found]);
        if (seen.has(key)) return false;
        seen.add(key);
        return true;
      })
      .sort((a, b) => GRAVITY[a.severity] - GRAVITY[b.severity]);
  const workloads = clientPathsOf(snapshot).map((clientPath) => ({
    clientPath,
    findings: once([
      ...graceRules(clientPath),
      ...probeRules(clientPath),
      ...hopRules(clientPath),
      ...balancerRules(clientPath),
      ...routeRules(clientPath, snapshot),
      ...proxyRules(clientPath, snapshot),
      ...serviceRules(clientPath, snapshot),
      ...disruptionRules(clientPath, snapshot),
      ...rolloutRules(clientPath),
      ...placementRules(clientPath, snapshot),
      ...autoscalingRules(clientPath, snapshot),
      ...ownRules(clientPath),
      ...realtimeSetRules(clientPath, snapshot),
      ...gatewayRules(clientPath, snapshot),
    ]),
  }));
  return {
    workloads,
    elsewhere: once([...redisRules(snapshot), ...ipvsRule(snapshot), ...operatorRules(snapshot)]),
    unread,
    objectCount: objects.length,
  };
}

export function findingsOf({ workloads, elsewhere }: Diagnosis): readonly Finding[] {
  return [...workloads.flatMap(({ findings }) => findings), ...elsewhere];
}

/** Whether a finding has this severity or a higher one. */
export function reaches(diagnosis: Diagnosis, severity: Severity): boolean {
  return findingsOf(diagnosis).some((one) => GRAVITY[one.severity] <= GRAVITY[severity]);
}
