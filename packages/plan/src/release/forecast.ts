// Owns: the forecast of a release: the operator's real decisions over the pods of a set, in a world
// in which nothing goes wrong.
import {
  type Action,
  type Desired,
  DRAINING_COST,
  decide,
  type Observed,
  type ObservedReplicaSet,
  type Status,
  type Tally,
} from "@holdfast/operator";
import { ForecastPod, type PodAtStart, type PodTimes } from "./forecast-pod.ts";

export interface ForecastOptions {
  /** The wish, with what is to be forecast: a new revision, a promotion, an abort. */
  readonly desired: Desired;
  /** Pods as they are now: ready, and none drains. At least one. */
  readonly pods: readonly PodAtStart[];
  readonly times: PodTimes;
  /** What the operator remembers. */
  readonly status: Status;
  /** Machines that pods may run on. At least one. */
  readonly machines: readonly string[];
}

/** A step as it went. Times in ms since the beginning. */
export interface ForecastStep {
  /** From 1. */
  readonly step: number;
  readonly beganMs: number;
  /** Its share was there. Absent: the next one began without. */
  readonly reachedMs?: number;
  readonly endedMs?: number;
  /** It waits for a person, who says so at once here. */
  readonly waitsForPerson: boolean;
}

export interface Forecast {
  /** False: it stands still, or goes on for more than 30 days. `message` says why. */
  readonly isOver: boolean;
  readonly tookMs: number;
  readonly moves: number;
  readonly connections: number;
  /** Sessions that were left at the end of a window. */
  readonly cut: number;
  /** In the worst second, of one pod, and of all. */
  readonly handshakesPerSecondMax: { readonly pod: number; readonly all: number };
  /** Most pods at once, without those that end. */
  readonly podsMax: number;
  readonly steps: readonly ForecastStep[];
  readonly endRevision: string;
  /** The status's message at the end. */
  readonly message: string;
}

const TICK_MS = 500;
/** Of the quiet time so far: ticks grow with it, and so does what a forecast is wrong by. */
const QUIET_PART = 0.05;
const HORIZON_MS = 30 * 86_400_000;
/** Decisions of one forecast at most. */
const TICKS_MAX = 100_000;
/** A release that does nothing for so long, and waits for no time, stands still. */
const STILL_MS = 3_600_000;
const NOBODY_FELT = { crashes: 0, lost: 0, slow: 0, resumesFailed: 0, closedAbnormally: 0 };

/** Pure, and the same each time. */
export function forecastRelease(options: ForecastOptions): Forecast {
  return new World(options).run();
}

/** Words in the status are none. */
const isDeed = ({ kind }: Action): boolean => kind !== "set-status" && kind !== "event";

class World {
  readonly #options: ForecastOptions;
  #desired: Desired;
  #nowMs = 1_000_000;
  #pods: ForecastPod[];
  readonly #sets = new Map<string, { replicas: number; version: number }>();
  #status: Status;
  #statusVersion = 1;
  #serial = 0;
  #progressSinceMs = this.#nowMs;
  #quietMs = 0;
  #moves = 0;
  #cut = 0;
  #podsMax: number;
  #peak = { pod: 0, all: 0 };
  /** Sessions that arrived in the second that runs, by pod. */
  readonly #arrived = new Map<string, number>();
  #secondMs = this.#nowMs;
  #minutes = { canary: 0, stable: 0 };
  #resumes = 0;
  readonly #steps: ForecastStep[] = [];

  constructor(options: ForecastOptions) {
    this.#options = options;
    this.#desired = options.desired;
    this.#status = options.status;
    const { times } = options;
    const nowMs = this.#nowMs - times.startMs - options.desired.warmMs - TICK_MS;
    this.#pods = options.pods.map(
      (pod) => new ForecastPod(`pod-${++this.#serial}`, { ...pod, nowMs }, times),
    );
    for (const { revision } of this.#pods) {
      const replicas = this.#pods.filter((pod) => pod.revision === revision).length;
      this.#sets.set(revision, { replicas, version: 1 });
    }
    this.#podsMax = this.#pods.length;
  }

  run(): Forecast {
    const startMs = this.#nowMs;
    let isOver = false;
    for (let tick = 0; tick < TICKS_MAX && !isOver; tick++) {
      const { actions } = decide(this.#observed(), this.#desired, this.#nowMs);
      for (const action of actions) this.#act(action);
      this.#replicaSets();
      this.#note(startMs);
      isOver = this.#isOver();
      const isStill = this.#quietMs >= STILL_MS && !this.#waitsForTime();
      if (isOver || isStill || this.#nowMs - startMs >= HORIZON_MS) break;
      const isBusy = actions.some(isDeed) || this.#isMoving();
      this.#quietMs = isBusy ? 0 : this.#quietMs;
      const passedMs = Math.max(TICK_MS, this.#quietMs * QUIET_PART);
      this.#quietMs += passedMs;
      this.#pass(passedMs);
    }
    this.#closeSecond();
    return {
      isOver,
      tookMs: this.#nowMs - startMs,
      moves: this.#moves,
      connections: this.#pods.reduce((sum, { sessions }) => sum + sessions, 0),
      cut: this.#cut,
      handshakesPerSecondMax: this.#peak,
      podsMax: this.#podsMax,
      steps: this.#steps,
      endRevision: this.#status.stable,
      message: this.#status.message,
    };
  }

  /** No release is under way, and nobody moves any more. */
  #isOver(): boolean {
    const isStill = this.#pods.every((pod) => pod.isUp(this.#nowMs) && !pod.isDraining());
    return this.#status.release === undefined && isStill;
  }

  /** A pause, connection-minutes, the time that old pods are kept. */
  #waitsForTime(): boolean {
    return this.#status.release?.reachedAtMs !== undefined;
  }

  #isMoving(): boolean {
    return this.#pods.some(
      (pod) =>
        pod.order !== undefined ||
        this.#nowMs < pod.readyAtMs + this.#desired.warmMs + TICK_MS ||
        (pod.isDraining() && pod.sessions > 0),
    );
  }

  #observed(): Observed {
    const { release } = this.#status;
    const tallyOf = (connectionMinutes: number, resumes: number): Tally => {
      return { connectionMinutes, resumes, bad: NOBODY_FELT };
    };
    const { canary, stable } = this.#minutes;
    return {
      pods: this.#pods.map((pod) => pod.seen(this.#nowMs)),
      replicaSets: [...this.#sets].map(([revision, { replicas, version }]): ObservedReplicaSet => {
        const replicasSeen = this.#pods.filter((pod) => pod.revision === revision).length;
        return { revision, replicas, replicasSeen, resourceVersion: String(version) };
      }),
      machines: this.#options.machines.map((name) => ({ name, zone: "" })),
      status: this.#status,
      resourceVersion: String(this.#statusVersion),
      leaderEpoch: 1,
      progressWatchedMs: release === undefined ? 0 : this.#nowMs - this.#progressSinceMs,
      announcedConnections: 0,
      lagMs: 0,
      ...(release === undefined
        ? {}
        : { tallies: { canary: tallyOf(canary, this.#resumes), stable: tallyOf(stable, 0) } }),
    };
  }

  #act(action: Action): void {
    switch (action.kind) {
      case "event":
        return;
      case "set-status":
        return this.#remember(action.status);
      case "scale-revision": {
        const version = (this.#sets.get(action.revision)?.version ?? 0) + 1;
        this.#sets.set(action.revision, { replicas: action.replicas, version });
        return;
      }
      case "remove-pod":
        this.#pods = this.#pods.filter(({ name }) => name !== action.pod.name);
        return;
      default:
        return this.#write(action);
    }
  }

  #write(action: Extract<Action, { pod: unknown }>): void {
    const pod = this.#pods.find(({ name }) => name === action.pod.name);
    if (pod === undefined) return;
    const receives = (to: boolean): void => {
      if (pod.receives !== to) pod.receivesSinceMs = this.#nowMs;
      pod.receives = to;
    };
    if (action.kind === "shed") {
      const { windowMs } = this.#desired.drain;
      return pod.shed(action.sessionsKept, action.toRevision, { windowMs, nowMs: this.#nowMs });
    }
    if (action.kind === "order-drain" || action.kind === "cancel-drain") {
      const isDrain = action.kind === "order-drain";
      if (pod.mark?.token === action.mark.token) return;
      pod.obey(action.mark, this.#nowMs);
      pod.cost = isDrain ? DRAINING_COST : 0;
      receives(!isDrain);
    } else if (action.kind === "set-receiving") receives(action.receives);
    else if (action.kind === "set-deletion-cost") pod.cost = action.cost;
    else if (action.kind === "set-protection") pod.isProtected = action.isProtected;
    pod.version += 1;
  }

  #remember(status: Status): void {
    const [before, after] = [this.#status.release, status.release];
    if (before?.progress !== after?.progress) this.#progressSinceMs = this.#nowMs;
    if (before?.step !== after?.step || before?.phase !== after?.phase) {
      this.#minutes = { canary: 0, stable: 0 };
      this.#resumes = 0;
    }
    this.#status = status;
    this.#statusVersion += 1;
  }

  /** Steps as they begin, are reached and end; and the person who promotes. */
  #note(startMs: number): void {
    const { release } = this.#status;
    const atMs = this.#nowMs - startMs;
    const last = this.#steps.at(-1);
    const step = release?.phase === "advancing" ? release.step + 1 : undefined;
    if (last !== undefined && last.step !== step && last.endedMs === undefined)
      this.#steps.splice(-1, 1, { ...last, endedMs: atMs });
    if (release === undefined || step === undefined) return;
    const waitsForPerson = this.#pauseOf(release.step) === "until-promoted";
    if (last?.step !== step) this.#steps.push({ step, beganMs: atMs, waitsForPerson });
    const now = this.#steps.at(-1);
    if (release.reachedAtMs === undefined || now === undefined || now.reachedMs !== undefined)
      return;
    this.#steps.splice(-1, 1, { ...now, reachedMs: atMs });
    if (!waitsForPerson) return;
    const promoted = { revision: release.to, step: release.step };
    this.#desired = { ...this.#desired, release: { ...this.#desired.release, promoted } };
  }

  #pauseOf(step: number): number | "until-promoted" | undefined {
    const { strategy } = this.#desired.release;
    return strategy.kind === "Canary" ? strategy.steps[step]?.pause : undefined;
  }

  #replicaSets(): void {
    for (const [revision, { replicas }] of this.#sets) {
      const mine = this.#pods.filter((pod) => pod.revision === revision);
      for (let count = mine.length; count < replicas; count++) this.#create(revision);
    }
    this.#podsMax = Math.max(this.#podsMax, this.#pods.length);
  }

  #create(revision: string): void {
    const load = (name: string): number =>
      this.#pods.filter(({ machine }) => machine === name).length;
    const [machine = ""] = [...this.#options.machines].sort((a, b) => load(a) - load(b));
    const places = Math.max(...this.#options.pods.map((pod) => pod.places));
    const at = { revision, machine, connections: 0, places, nowMs: this.#nowMs };
    this.#pods.push(new ForecastPod(`pod-${++this.#serial}`, at, this.#options.times));
  }

  #pass(passedMs: number): void {
    const { release } = this.#status;
    for (const pod of this.#pods) {
      const minutes = (pod.sessions * passedMs) / 60_000;
      this.#minutes[pod.revision === release?.to ? "canary" : "stable"] += minutes;
    }
    this.#nowMs += passedMs;
    this.#share();
    for (const pod of this.#pods) this.#move(pod, passedMs);
    if (this.#nowMs - this.#secondMs >= 1000) this.#closeSecond();
  }

  /** Pods that give sessions to one revision share what the likely takers take, as nodes do. */
  #share(): void {
    const givers = this.#pods.filter((pod) => pod.left(this.#nowMs) > 0);
    const { handshakesPerSecond } = this.#options.times;
    for (const pod of givers) {
      const to = pod.order?.toRevision;
      const beside = givers.filter(({ order }) => order?.toRevision === to);
      const all = beside.reduce((sum, one) => sum + one.left(this.#nowMs), 0);
      const takers = this.#pods.filter(
        (one) => one !== pod && one.isReached(this.#nowMs) && (to ?? one.revision) === one.revision,
      );
      pod.order?.pacer.setCapacity(handshakesPerSecond * Math.max(1, takers.length));
      pod.order?.pacer.setShare(pod.left(this.#nowMs) / all);
    }
  }

  #move(pod: ForecastPod, passedMs: number): void {
    const { order } = pod;
    if (order === undefined) return;
    let left = pod.due(this.#nowMs, passedMs);
    const isOver = pod.isDraining() && this.#nowMs >= order.pacer.deadlineMs;
    const takers = this.#pods.filter(
      (other) =>
        other !== pod &&
        other.isReached(this.#nowMs) &&
        (order.toRevision === undefined || other.revision === order.toRevision),
    );
    for (const [index, taker] of takers.entries()) {
      const part = Math.ceil(left / (takers.length - index));
      const count = Math.min(part, taker.places - taker.sessions);
      taker.sessions += count;
      pod.sessions -= count;
      left -= count;
      this.#moves += count;
      if (taker.revision === this.#status.release?.to) this.#resumes += count;
      this.#arrived.set(taker.name, (this.#arrived.get(taker.name) ?? 0) + count);
    }
    if (isOver && pod.sessions > 0) this.#end(pod);
  }

  /** Its window is over: whoever is left comes in anywhere. */
  #end(pod: ForecastPod): void {
    const others = this.#pods.filter((one) => one !== pod && one.isUp(this.#nowMs));
    const [emptiest] = others.sort((a, b) => a.sessions - b.sessions);
    this.#cut += pod.sessions;
    if (emptiest !== undefined) emptiest.sessions += pod.sessions;
    pod.sessions = 0;
  }

  #closeSecond(): void {
    const seconds = Math.max(1, (this.#nowMs - this.#secondMs) / 1000);
    const counts = [...this.#arrived.values()].map((count) => count / seconds);
    const all = counts.reduce((sum, count) => sum + count, 0);
    this.#peak = {
      pod: Math.max(this.#peak.pod, ...counts),
      all: Math.max(this.#peak.all, all),
    };
    this.#arrived.clear();
    this.#secondMs = this.#nowMs;
  }
}
