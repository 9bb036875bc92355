// Owns: the whole diagnosis: everything that was read in, findings by workload out. Pure.

import type { KubeObject, Unread } from "@holdfast/kube";
import { type Way, waysOf } from "./client-path.ts";
import { createScene, type DoctorOptions } from "./cluster-snapshot.ts";
import type { Finding, Severity } from "./finding.ts";
import { autoscalingRules } from "./rules/autoscaling.ts";
import { balancerRules } from "./rules/balancer.ts";
import { disruptionRules } from "./rules/disruption.ts";
import { graceRules } from "./rules/grace.ts";
import { hopRules } from "./rules/network-hops.ts";
import { probeRules } from "./rules/probes.ts";
import { rolloutRules } from "./rules/rollout.ts";
import { routeRules } from "./rules/routes.ts";
import { ipvsRule, serviceRules } from "./rules/service.ts";
import { ownRules, redisRules } from "./rules/store.ts";

export interface WorkloadReport {
  readonly way: Way;
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
 * Looks at everything once. The same object is found once for each id, also when several workloads
 * share it.
 */
export function diagnose(
  objects: readonly KubeObject[],
  options: DoctorOptions = {},
  unread: readonly Unread[] = [],
): Diagnosis {
  const scene = createScene(objects, options);
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
  const workloads = waysOf(scene).map((way) => ({
    way,
    findings: once([
      ...graceRules(way),
      ...probeRules(way),
      ...hopRules(way),
      ...balancerRules(way),
      ...routeRules(way, scene),
      ...serviceRules(way, scene),
      ...disruptionRules(way, scene),
      ...rolloutRules(way),
      ...autoscalingRules(way, scene),
      ...ownRules(way),
    ]),
  }));
  return {
    workloads,
    elsewhere: once([...redisRules(scene), ...ipvsRule(scene)]),
    unread,
    objectCount: objects.length,
  };
}

export function findingsOf({ workloads, elsewhere }: Diagnosis): readonly Finding[] {
  return [...workloads.flatMap(({ findings }) => findings), ...elsewhere];
}

/** Whether anything is as grave as this, or graver. */
export function reaches(diagnosis: Diagnosis, severity: Severity): boolean {
  return findingsOf(diagnosis).some((one) => GRAVITY[one.severity] <= GRAVITY[severity]);
}
