// Owns: the simulated Kubernetes: objects with versions, writes with preconditions, and the
// controllers that act on them in their own time.
import type { SeededRandom } from "@holdfast/core";
import type { Status } from "../model/observed.ts";
import type { DrainMark } from "../model/pod.ts";
import { REST_MS } from "../plan/rebalance.ts";
import { type Plane, room, type Session } from "./people.ts";

export const TICK_MS = 2000;
/** Of a pod, unless a run says otherwise. */
export const PLACES = 20;
/** How often one session tries in a tick before it is led to a place. */
const ATTEMPTS_MAX = 100;

export interface TruePod {
  readonly name: string;
  readonly uid: string;
  readonly revision: string;
  readonly createdAtMs: number;
  version: number;
  phase: "Pending" | "Running" | "Failed";
  isReady: boolean;
  readySinceMs: number | undefined;
  isTerminating: boolean;
  machine: string | undefined;
  cost: number;
  isProtected: boolean;
  receives: boolean;
  /** Balancers send people to it. They follow the label late. */
  isRouted: boolean;
  /** True time at which they follow. */
  routedAtMs: number | undefined;
  mark: DrainMark | undefined;
  /** True time of the mark's deadline. */
  deadlineMs: number;
  /** The release in which the mark was written. */
  markedIn: string;
  runsAtMs: number;
  readonly plane: Plane;
}

export interface TrueSet {
  readonly revision: string;
  version: number;
  replicas: number;
  seen: number;
  /** Its controller does nothing until then. */
  lateUntilMs: number;
}

export interface TrueMachine {
  readonly name: string;
  readonly zone: string;
  readonly slots: number;
  goingSinceMs: number | undefined;
  endsAtMs: number | undefined;
  isDead: boolean;
}

const isMovable = ({ isFixed }: Session): boolean => !isFixed;

/** Everything that is true. */
export class Cluster {
  nowMs = 1_000_000;
  readonly random: SeededRandom;
  readonly pods = new Map<string, TruePod>();
  readonly sets = new Map<string, TrueSet>();
  readonly machines = new Map<string, TrueMachine>();
  status: Status | undefined;
  statusVersion = 1;
  /** Revisions whose pods never become ready. */
  readonly broken = new Set<string>();
  readonly violations: string[] = [];
  refuseShare = 0;
  /** Pods whose data planes report tokens that no leader gave. */
  poisonedShare = 0;
  /** No operator's clock is wrong. */
  isClockTrue = false;
  /** Moves to even pods out. */
  evenedMoves = 0;
  /** Of each pod. */
  places = PLACES;
  refused = 0;
  /** Moves that releases caused, the attempts that they took, and how many sessions moved. */
  readonly counted = { moves: 0, attempts: 0, sessions: 0, twice: 0 };
  /** Of a canary that has its first step's share: the sums of its share and of the wished one. */
  readonly shares = { ticks: 0, carried: 0, wished: 0, most: 0 };
  /** When releases ended: what the fullest pod carried, and the mean. */
  readonly ends: { readonly most: number; readonly mean: number }[] = [];
  #version = 1;
  #serial = 0;

  /** Whether Kubernetes takes a pod that drains for ready. */
  staysReady = false;

  constructor(random: SeededRandom, zones: number, machines: number) {
    this.random = random;
    for (let i = 0; i < machines; i++)
      this.machines.set(`m${i}`, {
        name: `m${i}`,
        zone: `z${i % zones}`,
        slots: 8,
        goingSinceMs: undefined,
        endsAtMs: undefined,
        isDead: false,
      });
  }

  violate(text: string): void {
    this.violations.push(`${(this.nowMs - 1_000_000) / 1000} s: ${text}`);
  }

  bump(): number {
    return ++this.#version;
  }

  /** ReplicaSet controller: counts, makes and deletes. Now and then it is late. */
  replicaSets(faults = false): void {
    for (const set of this.sets.values()) {
      if (faults && this.random.chance(0.05))
        set.lateUntilMs = this.nowMs + this.random.int(8) * TICK_MS;
      if (this.random.chance(0.2) || (faults && this.nowMs < set.lateUntilMs)) continue;
      const active = this.activeOf(set.revision);
      for (let i = active.length; i < set.replicas; i++) this.#create(set.revision);
      if (active.length > set.replicas)
        for (const pod of this.#rank(active).slice(0, active.length - set.replicas))
          this.delete(pod, "the ReplicaSet");
      const seen = this.activeOf(set.revision).length;
      if (seen === set.seen) continue;
      set.seen = seen;
      set.version = this.bump();
    }
  }

  activeOf(revision: string): TruePod[] {
    return [...this.pods.values()].filter(
      (pod) => pod.revision === revision && !pod.isTerminating && pod.phase !== "Failed",
    );
  }

  /**
   * The order in which a ReplicaSet deletes (`ActivePodsWithRanks` of Kubernetes): not scheduled,
   * pending, not ready, lowest cost, machine with most pods, ready last, made last. Here nothing
   * restarts.
   */
  #rank(pods: readonly TruePod[]): readonly TruePod[] {
    const key = (pod: TruePod): readonly number[] => [
      pod.machine === undefined ? 0 : 1,
      pod.phase === "Pending" ? 0 : 1,
      pod.isReady ? 1 : 0,
      pod.cost,
      -[...this.pods.values()].filter(({ machine }) => machine === pod.machine).length,
      -(pod.readySinceMs ?? 0),
      -pod.createdAtMs,
    ];
    return [...pods].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      const at = x.findIndex((value, index) => value !== y[index]);
      return at < 0 ? 0 : (x[at] ?? 0) - (y[at] ?? 0);
    });
  }

  #create(revision: string): void {
    const name = `p${++this.#serial}`;
    const isPoisoned = this.poisonedShare > 0 && this.random.chance(this.poisonedShare);
    const poison = isPoisoned ? this.random.pick(["huge", "climbing"] as const) : undefined;
    this.pods.set(name, {
      name,
      uid: `u${this.#serial}`,
      revision,
      createdAtMs: this.nowMs,
      version: this.bump(),
      phase: "Pending",
      isReady: false,
      readySinceMs: undefined,
      isTerminating: false,
      machine: undefined,
      cost: 0,
      isProtected: true,
      receives: true,
      isRouted: false,
      routedAtMs: undefined,
      mark: undefined,
      deadlineMs: 0,
      markedIn: "none",
      runsAtMs: Number.POSITIVE_INFINITY,
      plane: {
        state: "starting",
        fence: 0,
        endsAtMs: 0,
        movesAtMs: 0,
        toRevision: undefined,
        isPreferred: false,
        keep: undefined,
        roomBefore: 0,
        hadReceivers: false,
        places: this.places,
        refuses: this.random.chance(this.refuseShare) || isPoisoned,
        poison,
        sessions: [],
        turnedAwayMs: [],
      },
    });
  }

  /** Whoever deletes a pod with people on it before its deadline is wrong. */
  delete(pod: TruePod, who: string): void {
    const count = pod.plane.sessions.length;
    if (count > 0 && (pod.mark?.wants !== "drain" || this.nowMs < pod.deadlineMs))
      this.violate(`${who} deleted ${pod.name} with ${count} sessions before its deadline`);
    const { refuses, state } = pod.plane;
    if (count > 0 && !refuses && state === "ready")
      this.violate(`${who} deleted ${pod.name} with ${count} sessions, which would have obeyed`);
    pod.isTerminating = true;
    pod.version = this.bump();
    this.evacuate(pod);
    this.pods.delete(pod.name);
  }

  /** People of a process that is gone come back elsewhere. */
  evacuate(pod: TruePod): void {
    const sessions = pod.plane.sessions;
    pod.plane.sessions = [];
    pod.plane.state = "draining";
    for (const session of sessions) {
      // Whoever lost a process comes in anywhere: that is no move of the release.
      session.moves.clear();
      this.place(session);
    }
  }

  /** Scheduler and kubelets. */
  schedule(): void {
    for (const pod of this.pods.values()) {
      if (pod.machine === undefined) this.#assign(pod);
      else if (pod.phase === "Pending" && this.nowMs >= pod.runsAtMs) {
        pod.phase = "Running";
        pod.version = this.bump();
      } else if (pod.phase === "Running" && pod.plane.state === "starting") this.#start(pod);
      else if (pod.phase === "Running") this.#probe(pod);
    }
  }

  #assign(pod: TruePod): void {
    const load = (name: string): number =>
      [...this.pods.values()].filter(({ machine }) => machine === name).length;
    const [best] = [...this.machines.values()]
      .filter((one) => !one.isDead && one.goingSinceMs === undefined && load(one.name) < one.slots)
      .sort((a, b) => load(a.name) - load(b.name));
    if (best === undefined) return;
    pod.machine = best.name;
    pod.runsAtMs = this.nowMs + this.random.int(3) * TICK_MS;
    pod.version = this.bump();
  }

  /** A pod that drains is not ready for Kubernetes, which hears of it late. */
  #probe(pod: TruePod): void {
    const { state } = pod.plane;
    const isReady = state === "ready" || (this.staysReady && state === "draining");
    if (isReady === pod.isReady || this.random.chance(0.5)) return;
    pod.isReady = isReady;
    pod.readySinceMs = isReady ? this.nowMs : undefined;
    pod.version = this.bump();
  }

  #start(pod: TruePod): void {
    if (this.broken.has(pod.revision) || this.random.chance(0.5)) return;
    pod.plane.state = "ready";
    pod.isReady = true;
    pod.readySinceMs = this.nowMs;
    pod.version = this.bump();
  }

  /** Balancers follow labels and readiness after one or two ticks. */
  route(): void {
    for (const pod of this.pods.values()) {
      const wants = pod.receives && pod.isReady;
      if (wants === pod.isRouted) pod.routedAtMs = undefined;
      else pod.routedAtMs ??= this.nowMs + this.random.int(2) * TICK_MS;
      if (pod.routedAtMs === undefined || this.nowMs < pod.routedAtMs) continue;
      pod.isRouted = wants;
      pod.routedAtMs = undefined;
    }
  }

  /**
   * A session comes in where balancers send it, and tries again until a pod takes it. Pods of other
   * revisions than `toRevision` do not. How often it tried; 0 if nobody would take it.
   */
  place(session: Session, toRevision?: string): number {
    const routed = [...this.pods.values()].filter(({ isRouted }) => isRouted);
    const takes = (pod: TruePod): boolean =>
      this.#accepts(pod) && (toRevision === undefined || pod.revision === toRevision);
    if (!routed.some(takes)) {
      this.refused += 1;
      if (routed.length > 0) this.random.pick(routed).plane.turnedAwayMs.push(this.nowMs);
      return 0;
    }
    let [attempts, pod] = [1, this.random.pick(routed)];
    for (; !takes(pod) && attempts < ATTEMPTS_MAX; attempts++) pod = this.random.pick(routed);
    const taker = takes(pod) ? pod : routed.find(takes);
    taker?.plane.sessions.push(session);
    return attempts;
  }

  #accepts({ plane, isRouted }: TruePod): boolean {
    if (!isRouted || room(plane) <= 0) return false;
    return plane.state === "ready" || (plane.state === "draining" && this.nowMs < plane.movesAtMs);
  }

  open(): TruePod[] {
    return [...this.pods.values()].filter(
      ({ plane, isReady }) => isReady && plane.state === "ready" && room(plane) > 0,
    );
  }

  /** Which release moves belong to. */
  releaseKey(): string {
    const release = this.status?.release;
    return release === undefined ? "none" : `${release.from}>${release.to}/${release.phase}`;
  }

  /** Data planes move people: those that drain, and those that give a share away. */
  move(): void {
    for (const pod of [...this.pods.values()]) {
      if (pod.plane.state === "draining") this.#drain(pod);
      else if (pod.plane.keep !== undefined) this.#give(pod, pod.plane.keep);
    }
  }

  #drain(pod: TruePod): void {
    const { plane } = pod;
    if (this.nowMs < plane.movesAtMs) return;
    const isOver = this.nowMs >= plane.endsAtMs;
    const movable = plane.sessions.filter(isMovable).length;
    const hadRoom = Math.min(plane.roomBefore, this.#roomElsewhere()) >= movable;
    if (isOver && plane.isPreferred && movable > 0 && hadRoom)
      this.violate(`${pod.name} closed sessions that had a place, because its machine goes`);
    const leaving = isOver
      ? plane.sessions.splice(0)
      : plane.sessions.filter(isMovable).slice(0, this.#pace(plane));
    for (const session of leaving) {
      if (isOver) {
        this.#moved(session, pod);
        this.place(session);
        continue;
      }
      if (!this.#move(session, pod, this.#target(plane))) break;
    }
    // What these took is no place for the others.
    plane.roomBefore = this.#roomElsewhere();
    plane.hadReceivers = this.#hasReceivers(plane.toRevision);
  }

  /** Make before break: nobody leaves before a pod takes it. */
  #move(session: Session, pod: TruePod, toRevision: string | undefined): boolean {
    const attempts = this.place(session, toRevision);
    if (attempts === 0) return false;
    pod.plane.sessions.splice(pod.plane.sessions.indexOf(session), 1);
    if (toRevision !== undefined) {
      this.counted.moves += 1;
      this.counted.attempts += attempts;
    }
    this.#moved(session, pod);
    return true;
  }

  /** Pods of which revision take its people: any, if these are full and it is only preferred. */
  #target({ toRevision, isPreferred }: Plane): string | undefined {
    if (!isPreferred) return toRevision;
    const isOpen = [...this.pods.values()].some(
      (pod) => pod.revision === toRevision && this.#accepts(pod),
    );
    return isOpen ? toRevision : undefined;
  }

  #hasReceivers(toRevision: string | undefined): boolean {
    return [...this.pods.values()].some(
      (pod) => this.#accepts(pod) && (toRevision === undefined || pod.revision === toRevision),
    );
  }

  #roomElsewhere(): number {
    return this.open().reduce((sum, pod) => sum + (pod.isRouted ? room(pod.plane) : 0), 0);
  }

  /** Sessions in this tick: more if the deadline demands it. */
  #pace({ sessions, endsAtMs }: Plane): number {
    const ticks = Math.max(1, Math.floor((endsAtMs - this.nowMs) / TICK_MS));
    return Math.max(4, Math.ceil(sessions.length / ticks));
  }

  #give(pod: TruePod, keep: NonNullable<Plane["keep"]>): void {
    const { plane } = pod;
    for (let i = 0; i < 4; i++) {
      const movable = plane.sessions.filter(isMovable);
      const [session] = movable;
      if (session === undefined || movable.length <= keep.sessions) {
        plane.keep = undefined;
        return;
      }
      if (!this.#move(session, pod, keep.toRevision)) return;
      if (keep.orderedIn === "none") this.#evened(session);
    }
  }

  /** Outside of a release nobody moves twice before the set has rested. */
  #evened(session: Session): void {
    this.evenedMoves += 1;
    const agoMs = this.nowMs - (session.evenedAtMs ?? Number.NEGATIVE_INFINITY);
    session.evenedAtMs = this.nowMs;
    if (this.isClockTrue && agoMs < REST_MS)
      this.violate(`session ${session.id} was moved ${agoMs / 1000} s before`);
  }

  /** Counts a move of a release. */
  #moved(session: Session, pod: TruePod): void {
    const { plane, mark } = pod;
    const cause = mark?.wants === "drain" ? mark.cause : "release";
    if (cause === "machine") session.moves.clear();
    // Where it was to go nobody can go any more: pods died, or newcomers filled them.
    const toRevision = plane.state === "draining" ? plane.toRevision : plane.keep?.toRevision;
    const isOpen = this.open().some(
      ({ revision }) => toRevision === undefined || revision === toRevision,
    );
    // Whoever is closed at the end of the window could have moved before, if there was a receiver.
    const isClosed = plane.state === "draining" && this.nowMs >= plane.endsAtMs;
    const mayBack = isOpen && (!isClosed || plane.hadReceivers);
    if (cause !== "release" && cause !== "rollback") return;
    const key = plane.state === "draining" ? pod.markedIn : (plane.keep?.orderedIn ?? "none");
    if (key === "none") return;
    const moves = (session.moves.get(key) ?? 0) + 1;
    if (moves === 1) this.counted.sessions += 1;
    if (moves === 2) this.counted.twice += 1;
    if (!mayBack) return;
    session.moves.set(key, moves);
    // A socket that cannot move comes in as a newcomer, on an old pod if the new ones are full.
    if (moves > 1 && !session.isFixed)
      this.violate(`session ${session.id} moved ${moves} times in ${key}, now from ${pod.name}`);
  }

  /** People come and go until there are `count`. The part `churn` of them goes, and others come. */
  demand(count: number, churn: number, next: () => Session): void {
    const all = [...this.pods.values()];
    const total = (): number => all.reduce((sum, { plane }) => sum + plane.sessions.length, 0);
    for (const { plane } of all)
      plane.sessions = plane.sessions.filter(() => !this.random.chance(churn));
    const now = total();
    const comes = 6 + Math.ceil(churn * count);
    for (let i = now; i < Math.min(count, now + comes); i++) this.place(next());
    for (let i = count; i < Math.min(now, count + 6); i++) {
      const full = all.filter(({ plane }) => plane.sessions.length > 0);
      if (full.length === 0) return;
      const { sessions } = this.random.pick(full).plane;
      sessions.splice(this.random.int(sessions.length), 1);
    }
  }

  /** What a machine does that goes: its pods are evicted if they may be, and it ends. */
  machinesGo(): void {
    for (const machine of this.machines.values()) {
      if (machine.goingSinceMs === undefined || machine.isDead) continue;
      for (const pod of this.#podsOn(machine))
        if (!pod.isProtected) this.delete(pod, "an eviction");
      if (machine.endsAtMs !== undefined && this.nowMs >= machine.endsAtMs) this.kill(machine);
    }
  }

  /** A machine ends with all that is on it. */
  kill(machine: TrueMachine): void {
    machine.isDead = true;
    machine.goingSinceMs ??= this.nowMs;
    for (const pod of this.#podsOn(machine)) {
      this.evacuate(pod);
      this.pods.delete(pod.name);
    }
  }

  #podsOn(machine: TrueMachine): readonly TruePod[] {
    return [...this.pods.values()].filter((pod) => pod.machine === machine.name);
  }
}
