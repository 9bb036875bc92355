// Owns: putting together what one decision looks at, from the caches of this process.
import type { Json } from "@holdfast/kube";
import type { DrainMark, Observed, PodReport, Status } from "@holdfast/operator";
import {
  controllerOf,
  nameOf,
  observedMachine,
  readMachine,
  readPod,
  readReplicaSet,
  type SeenPod,
  uidOf,
} from "./objects.ts";
import type { Watched } from "./watched.ts";

/** Everything that is known of one set. */
export interface Known {
  readonly resourceVersion: string;
  readonly status: Status | undefined;
  readonly pods: readonly SeenPod[];
  /** ReplicaSets that the set owns. */
  readonly replicaSets: readonly Json[];
  readonly machines: readonly Json[];
  readonly reportOf: (uid: string) => PodReport | undefined;
  readonly tallies: Observed["tallies"];
  readonly leaderEpoch: number;
  readonly announcedConnections: number;
  readonly lagMs: number;
}

export interface Now {
  /** Ms that never go back. */
  readonly nowMs: number;
  readonly wallMs: number;
}

/** `watched`: of this set alone. */
export function observe(known: Known, watched: Watched, { nowMs, wallMs }: Now): Observed {
  const used = new Set(known.pods.map(({ machine }) => machine));
  const observed: Observed = {
    pods: known.pods.map(({ address: _, ...pod }) => {
      const report = known.reportOf(pod.uid);
      return {
        ...pod,
        markWatchedMs:
          pod.mark === undefined ? 0 : watched.forMs(markKey(pod.uid, pod.mark), nowMs),
        receivesWatchedMs: watched.forMs(`${pod.uid} receives ${pod.receives}`, nowMs),
        ...(report === undefined ? {} : { report }),
      };
    }),
    replicaSets: known.replicaSets.map(readReplicaSet).filter(({ revision }) => revision !== ""),
    // A cluster may have thousands, and each set is looked at once a second.
    machines: known.machines
      .filter((machine) => used.has(nameOf(machine)))
      .map(readMachine)
      .map((machine) =>
        observedMachine(machine, {
          watchedMs: machine.isGoing ? watched.forMs(`machine ${machine.name}`, nowMs) : 0,
          noticeWatchedMs: watched.forMs(`machine ${machine.name} ${machine.endsAtMs}`, nowMs),
          wallMs,
        }),
      ),
    ...(known.status === undefined ? {} : { status: known.status }),
    resourceVersion: known.resourceVersion,
    leaderEpoch: known.leaderEpoch,
    progressWatchedMs:
      known.status?.release === undefined
        ? 0
        : watched.forMs(`progress ${known.status.release.progress}`, nowMs),
    announcedConnections: known.announcedConnections,
    lagMs: known.lagMs,
    ...(known.tallies === undefined ? {} : { tallies: known.tallies }),
  };
  watched.sweep();
  return observed;
}

const markKey = (uid: string, { token, wants }: DrainMark): string => `${uid}/${token}/${wants}`;

/**
 * Pods that these ReplicaSets made. Anybody can write the set's label on a pod of his own: it is
 * never asked, written or deleted.
 */
export function podsOf(pods: readonly Json[], replicaSets: readonly Json[]): readonly SeenPod[] {
  const owners = new Set(replicaSets.map(uidOf));
  return pods.filter((pod) => owners.has(controllerOf(pod) ?? "")).map(readPod);
}
