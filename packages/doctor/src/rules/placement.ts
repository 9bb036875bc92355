// Owns: the rule of where the pods of a live cluster run.
import type { ClientPath } from "../client-path.ts";
import type { ClusterSnapshot } from "../cluster-snapshot.ts";
import { type Finding, finding } from "../finding.ts";
import { type Machine, machinesOf } from "../machines.ts";

/** Silent without pods, which manifests do not have, and if there is one machine alone. */
export function placementRules(
  { workload, machines }: ClientPath,
  snapshot: ClusterSnapshot,
): readonly Finding[] {
  const [fullest] = machines;
  const pods = machines.reduce((sum, machine) => sum + machine.pods, 0);
  if (fullest === undefined || pods < 2) return [];
  const others = machinesOf(snapshot).length - 1;
  const isEven = fullest.pods <= Math.ceil(pods / (others + 1));
  if (isEven || fullest.pods * 2 <= pods) return [];
  return [
    finding("pods-together", {
      object: workload.object,
      path: workload.podPath,
      severity: fullest.pods === pods ? "warning" : "info",
      found: `${machines.map(machineText).join(", ")}; ${others} other ${others === 1 ? "machine has" : "machines have"} pods`,
      sum: `${fullest.pods} of ${pods} pods on one machine`,
      fix: "If the other machines have room, restart the workload (kubectl rollout restart): the scheduler spreads new pods. Ask for room there, or more machines, if it does not.",
    }),
  ];
}

const machineText = ({ name, pods }: Machine): string =>
  `${pods} ${pods === 1 ? "pod" : "pods"} on ${name}`;
