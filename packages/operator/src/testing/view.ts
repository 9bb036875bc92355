// Owns: what an operator process sees of the cluster: each kind of object through a watch of its
// own, which may be late or lost for a while.
import type { SeededRandom } from "@holdfast/core";
import type { Tally } from "../analysis/tally.ts";
import type { Observed, ObservedMachine, ObservedReplicaSet, Status } from "../model/observed.ts";
import type { DrainMark, ObservedPod, PodReport } from "../model/pod.ts";
import { TOKEN_MAX } from "../plan/orders.ts";
import type { Cluster } from "./cluster.ts";
import type { Plane } from "./people.ts";

type Report = Omit<PodReport, "ageMs"> & { readonly atMs: number };

interface Snapshot {
  readonly pods: readonly Omit<ObservedPod, "markWatchedMs" | "receivesWatchedMs" | "report">[];
  readonly reports: ReadonlyMap<string, Report>;
  readonly sets: readonly ObservedReplicaSet[];
  readonly machines: readonly (Pick<ObservedMachine, "name" | "zone"> & {
    readonly isGoing: boolean;
    readonly endsAtMs: number | undefined;
  })[];
  readonly status: { readonly status: Status | undefined; readonly version: string };
}

const KINDS = ["pods", "reports", "sets", "machines", "status"] as const;
type Kind = (typeof KINDS)[number];

/** Snapshots that are kept: the oldest that a watch may be late by. */
const HISTORY_MAX = 12;

/** What was true, tick by tick. */
export class History {
  readonly snapshots: Snapshot[] = [];
  first = 0;

  record(cluster: Cluster): void {
    this.snapshots.push(snapshot(cluster));
    if (this.snapshots.length <= HISTORY_MAX) return;
    this.snapshots.shift();
    this.first += 1;
  }

  get last(): number {
    return this.first + this.snapshots.length - 1;
  }

  at(index: number): Snapshot {
    const found = this.snapshots[Math.max(0, index - this.first)];
    if (found === undefined) throw new RangeError("nothing was recorded");
    return found;
  }
}

function snapshot(cluster: Cluster): Snapshot {
  const pods = [...cluster.pods.values()];
  return {
    pods: pods.map((pod) => ({
      name: pod.name,
      uid: pod.uid,
      resourceVersion: String(pod.version),
      revision: pod.revision,
      phase: pod.phase,
      isReady: pod.isReady,
      ...(pod.readySinceMs === undefined ? {} : { readySinceMs: pod.readySinceMs }),
      isTerminating: pod.isTerminating,
      ...(pod.machine === undefined ? {} : { machine: pod.machine }),
      createdAtMs: pod.createdAtMs,
      deletionCost: pod.cost,
      isProtected: pod.isProtected,
      receives: pod.receives,
      ...(pod.mark === undefined ? {} : { mark: pod.mark }),
    })),
    reports: new Map(
      pods
        .filter(({ phase }) => phase === "Running")
        .map(({ name, plane, mark }) => {
          const fixedSockets = plane.sessions.filter(({ isFixed }) => isFixed).length;
          return [
            name,
            {
              state: plane.state,
              sessions: plane.sessions.length - fixedSockets,
              fixedSockets,
              connectionsMax: plane.places,
              fence: fenceOf(plane, mark),
              atMs: cluster.nowMs,
              waiting: waitingAt(plane, cluster.nowMs),
              ...shedOf(plane),
              ...(plane.state === "draining"
                ? { drainLeftMs: Math.max(0, plane.endsAtMs - cluster.nowMs) }
                : {}),
            },
          ];
        }),
    ),
    sets: [...cluster.sets.values()].map((set) => ({
      revision: set.revision,
      resourceVersion: String(set.version),
      replicas: set.replicas,
      replicasSeen: set.seen,
    })),
    machines: [...cluster.machines.values()]
      .filter(({ isDead }) => !isDead)
      .map(({ name, zone, goingSinceMs, endsAtMs }) => ({
        name,
        zone,
        isGoing: goingSinceMs !== undefined,
        endsAtMs,
      })),
    status: { status: cluster.status, version: String(cluster.statusVersion) },
  };
}

function fenceOf({ fence, poison }: Plane, mark: DrainMark | undefined): number {
  if (poison === undefined) return fence;
  return poison === "huge" ? TOKEN_MAX : (mark?.token ?? 0) + 1;
}

/** In the last 10 s. */
function waitingAt(plane: Plane, nowMs: number): number {
  plane.turnedAwayMs = plane.turnedAwayMs.filter((atMs) => nowMs - atMs < 10_000);
  return plane.turnedAwayMs.length;
}

function shedOf({ keep, sessions }: Plane): Pick<PodReport, "shed"> {
  if (keep === undefined) return {};
  const movable = sessions.filter(({ isFixed }) => !isFixed).length;
  const remaining = Math.max(0, movable - keep.sessions);
  return { shed: { keep: keep.sessions, remaining, toRevision: keep.toRevision } };
}

/** The caches of one operator process. They never go back; a new process begins anew. */
export class View {
  readonly #history: History;
  readonly #random: SeededRandom;
  readonly #at = new Map<Kind, number>();
  readonly #lostUntil = new Map<Kind, number>();
  /** By what it watches: when this process first saw it, in true time. */
  readonly #since = new Map<string, number>();

  constructor(history: History, random: SeededRandom) {
    this.#history = history;
    this.#random = random;
  }

  /** What is seen now. Without `faults` all is fresh. */
  look(
    nowMs: number,
    how: {
      readonly faults: boolean;
      readonly epoch: number;
      readonly tallies?: Tallies;
      readonly announced?: number;
    },
  ): Observed {
    const seen = (kind: Kind): Snapshot => this.#history.at(this.#index(kind, nowMs, how.faults));
    const reports = seen("reports").reports;
    const { status, version } = seen("status").status;
    const seenKeys = new Set<string>();
    const watched = (key: string): number => {
      seenKeys.add(key);
      const since = this.#since.get(key) ?? nowMs;
      this.#since.set(key, since);
      return nowMs - since;
    };
    const observed: Observed = {
      pods: seen("pods").pods.map((pod) => {
        const report = reports.get(pod.name);
        return {
          ...pod,
          receivesWatchedMs: watched(`${pod.uid} receives ${pod.receives}`),
          markWatchedMs:
            pod.mark === undefined ? 0 : watched(`${pod.uid}/${pod.mark.token}/${pod.mark.wants}`),
          ...(report === undefined ? {} : { report: reportOf(report, nowMs) }),
        };
      }),
      replicaSets: seen("sets").sets,
      machines: seen("machines").machines.map(({ name, zone, isGoing, endsAtMs }) => ({
        name,
        zone,
        ...(isGoing
          ? {
              going: {
                watchedMs: watched(`machine ${name}`),
                ...(endsAtMs === undefined ? {} : { endsInMs: endsAtMs - nowMs }),
              },
            }
          : {}),
      })),
      ...(status === undefined ? {} : { status }),
      resourceVersion: version,
      leaderEpoch: how.epoch,
      progressWatchedMs:
        status?.release === undefined ? 0 : watched(`progress ${status.release.progress}`),
      announcedConnections: how.announced ?? 0,
      lagMs: 0,
      ...(how.tallies === undefined ? {} : { tallies: how.tallies }),
    };
    for (const key of this.#since.keys()) if (!seenKeys.has(key)) this.#since.delete(key);
    return observed;
  }

  #index(kind: Kind, nowMs: number, faults: boolean): number {
    const { last } = this.#history;
    const before = this.#at.get(kind) ?? 0;
    if (faults && this.#random.chance(0.02))
      this.#lostUntil.set(kind, nowMs + this.#random.int(20_000));
    const isLost = faults && nowMs < (this.#lostUntil.get(kind) ?? 0);
    const late = faults ? this.#random.int(3) : 0;
    const index = isLost && before > 0 ? before : Math.max(before, last - late);
    const kept = Math.max(index, this.#history.first);
    this.#at.set(kind, kept);
    return kept;
  }
}

export interface Tallies {
  readonly canary: Tally;
  readonly stable: Tally;
}

function reportOf({ atMs, drainLeftMs, ...rest }: Report, nowMs: number): PodReport {
  return {
    ...rest,
    ageMs: nowMs - atMs,
    ...(drainLeftMs === undefined ? {} : { drainLeftMs: drainLeftMs - (nowMs - atMs) }),
  };
}
