// Owns: one run of the simulation: a seed in, what was wrong out.
import { createSeededRandom, type SeededRandom } from "@holdfast/core";
import { SIGNALS, type Signal, type Tally } from "../analysis/tally.ts";
import { decide } from "../decide.ts";
import type { Desired, Strategy } from "../model/desired.ts";
import { Cluster, TICK_MS } from "./cluster.ts";
import { unstable, wrongs } from "./oracles.ts";
import { room } from "./people.ts";
import { act } from "./runtime.ts";
import { drawWish, heal, incident, type Stage } from "./scenario.ts";
import { History, type Tallies, View } from "./view.ts";

export interface RunOptions {
  /** Ticks with faults and incidents. */
  readonly ticks?: number;
  readonly only?: readonly string[];
  /** So many incidents at most. */
  readonly incidentsMax?: number;
  readonly strategy?: Strategy["kind"];
  /** No stale caches, no jumps, no kills, one operator. */
  readonly calm?: boolean;
  /** So many people, whatever happens. */
  readonly people?: number;
  readonly replicas?: number;
  /** What a pod can carry. */
  readonly places?: number;
  /** The part of people that goes in each tick; others come. */
  readonly churn?: number;
  /** Some data planes report tokens that no leader gave. */
  readonly poisoned?: boolean;
  /** Pods that drain stay ready, as those behind a gateway do. */
  readonly staysReady?: boolean;
  readonly trace?: (text: string) => void;
}

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly string[];
  /** Ticks until everything was settled after the last fault. */
  readonly settledAfter: number;
  readonly releases: number;
  readonly rollbacks: number;
  /**
   * A revision that clients feel as bad has all connections in the end, and was compared with a
   * good one: old pods of an earlier bad release prove nothing.
   */
  readonly isBadStable: boolean;
  readonly counted: Cluster["counted"];
  readonly shares: Cluster["shares"];
  readonly ends: Cluster["ends"];
  readonly evenedMoves: number;
}

const TICKS = 160;
/** Everything settles within so many ticks after the last fault: a bound, not a goal. */
const SETTLE_TICKS_MAX = 600;
const VIOLATIONS_MAX = 5;
/** How long a person looks at a step before promoting it. */
const PROMOTED_TICKS = 80;

interface Process {
  view: View;
  epoch: number;
  skewMs: number;
}

export function runSeed(seed: number, options: RunOptions = {}): RunResult {
  return new Run(seed, options).go();
}

class Run {
  readonly #random: SeededRandom;
  readonly #cluster: Cluster;
  readonly #history = new History();
  readonly #stage: Stage;
  readonly #options: RunOptions;
  readonly #seed: number;
  readonly #processes: Process[];
  #epoch = 1;
  #session = 0;
  #tallyKey = "";
  #canary = noTally();
  #stable = noTally();
  #releases = 0;
  #rollbacks = 0;
  #message = "";
  #askedTicks = 0;
  #isOldBad = false;
  #releasing: string | undefined;

  constructor(seed: number, options: RunOptions) {
    this.#seed = seed;
    this.#options = options;
    this.#random = createSeededRandom(seed);
    const random = this.#random.fork("cluster");
    const zones = 1 + this.#random.int(3);
    this.#cluster = new Cluster(random, zones, 2 + this.#random.int(4));
    this.#cluster.refuseShare = this.#random.chance(0.2) && options.calm !== true ? 0.15 : 0;
    this.#cluster.poisonedShare = options.poisoned === true ? 0.2 : 0;
    this.#cluster.isClockTrue = options.calm === true;
    const wish = drawWish(this.#random, options.strategy);
    if (options.staysReady === true) {
      this.#cluster.staysReady = true;
      wish.drain = { ...wish.drain, staysReady: true };
    }
    wish.replicas = options.replicas ?? wish.replicas;
    if (options.places !== undefined) {
      // So many pods, whatever happens.
      delete wish.autoscaling;
      this.#cluster.places = options.places;
      wish.connections = { ...wish.connections, perPod: options.places };
    }
    this.#stage = {
      cluster: this.#cluster,
      wish,
      random: this.#random.fork("incidents"),
      people: options.people ?? Math.floor(wish.replicas * 20 * 0.6 * this.#random.next()),
      churn: options.churn ?? (this.#random.chance(0.5) ? 0.01 : 0),
      announced: 0,
      bad: new Set(),
      log: (text) => this.#trace(text),
    };
    this.#processes = [this.#process()];
    if (options.calm !== true && this.#random.chance(0.3)) this.#processes.push(this.#process());
  }

  go(): RunResult {
    const ticks = this.#options.ticks ?? TICKS;
    const { violations } = this.#cluster;
    this.#warmUp();
    let left = this.#options.incidentsMax ?? Number.POSITIVE_INFINITY;
    for (let i = 0; i < ticks && violations.length < VIOLATIONS_MAX; i++) {
      if (this.#random.chance(0.06) && left-- > 0) incident(this.#stage, this.#options.only);
      this.#tick(this.#options.calm !== true);
    }
    this.#trace("healed");
    heal(this.#stage);
    this.#processes.splice(0, this.#processes.length, this.#process());
    let [settledAfter, still] = [0, 0];
    for (; settledAfter < SETTLE_TICKS_MAX && still < 4; settledAfter++) {
      if (violations.length >= VIOLATIONS_MAX) break;
      this.#promote();
      still = this.#tick(false) === 0 && this.#isStill() ? still + 1 : 0;
    }
    if (still < 4)
      this.#cluster.violate(`not settled, ${this.#connected()} are connected: ${this.#message}`);
    else this.#atRest();
    return {
      seed: this.#seed,
      violations: [...violations],
      settledAfter,
      releases: this.#releases,
      rollbacks: this.#rollbacks,
      counted: this.#cluster.counted,
      shares: this.#cluster.shares,
      ends: this.#cluster.ends,
      evenedMoves: this.#cluster.evenedMoves,
      isBadStable: !this.#isOldBad && this.#stage.bad.has(this.#cluster.status?.stable ?? ""),
    };
  }

  /** Before anything goes wrong, the first pods come up and people come in. */
  #warmUp(): void {
    if (this.#random.chance(0.1)) this.#adopt();
    for (let i = 0; i < 20; i++) this.#tick(false);
    // In a set of large pods, all have come before anything happens.
    const isLarge = this.#options.places !== undefined;
    for (let i = 0; isLarge && i < 80; i++) this.#tick(false);
  }

  /** The pods of a Deployment that the set takes over have neither labels nor a status. */
  #adopt(): void {
    const { wish } = this.#stage;
    const cluster = this.#cluster;
    const revision = "d0";
    cluster.sets.set(revision, {
      revision,
      version: 1,
      replicas: wish.replicas,
      seen: 0,
      lateUntilMs: 0,
    });
    const processes = this.#processes.splice(0);
    for (let i = 0; i < 20; i++) this.#tick(false);
    this.#processes.push(...processes);
    for (const pod of cluster.pods.values()) [pod.receives, pod.isProtected] = [false, false];
    // The template differs by what the operator adds, or by more.
    if (this.#random.chance(0.5)) wish.revision = revision;
  }

  #process(): Process {
    const jumps = this.#options.calm !== true && this.#random.chance(0.2);
    return {
      view: new View(this.#history, this.#random.fork(`view ${++this.#epoch}`)),
      epoch: this.#epoch,
      skewMs: jumps ? (this.#random.int(7_200) - 3600) * 1000 : 0,
    };
  }

  /** Everybody has a turn. The number of actions that operators did. */
  #tick(faults: boolean): number {
    const cluster = this.#cluster;
    cluster.nowMs += TICK_MS;
    cluster.schedule();
    cluster.route();
    cluster.move();
    cluster.machinesGo();
    cluster.demand(this.#stage.people, this.#stage.churn, () => this.#newSession());
    this.#tally();
    this.#share();
    this.#level();
    this.#history.record(cluster);
    let done = 0;
    for (const process of [...this.#processes]) {
      if (faults && this.#random.chance(0.3)) continue;
      if (faults && this.#random.chance(0.01))
        process.skewMs = (this.#random.int(7_200) - 3600) * 1000;
      done += this.#operate(process, faults);
    }
    cluster.replicaSets(faults);
    return done;
  }

  #newSession() {
    this.#session += 1;
    return { id: this.#session, isFixed: this.#random.chance(0.1), moves: new Map() };
  }

  /** One round of one operator process. */
  #operate(process: Process, faults: boolean): number {
    const cluster = this.#cluster;
    const tallies = this.#tallies();
    const observed = process.view.look(cluster.nowMs, {
      faults,
      epoch: process.epoch,
      announced: this.#stage.announced,
      ...(tallies === undefined ? {} : { tallies }),
    });
    const desired: Desired = this.#stage.wish;
    const nowMs = cluster.nowMs + process.skewMs;
    const { actions } = decide(observed, desired, nowMs);
    for (const wrong of wrongs(observed, desired, actions)) cluster.violate(wrong);
    if (this.#random.chance(0.1)) {
      const why = unstable(observed, desired, nowMs);
      if (why !== undefined) cluster.violate(why);
    }
    const killedAt =
      faults && this.#random.chance(0.05) ? this.#random.int(actions.length + 1) : -1;
    for (const [index, action] of actions.entries()) {
      if (index === killedAt) {
        act(cluster, action, true);
        this.#trace(`operator ${process.epoch} killed in ${action.kind}`);
        this.#processes.splice(this.#processes.indexOf(process), 1, this.#process());
        break;
      }
      const outcome = act(cluster, action);
      this.#told(process, action, outcome);
      if (outcome === "refused") break;
      if (faults && this.#random.chance(0.05)) cluster.replicaSets(true);
    }
    return actions.filter(({ kind }) => kind !== "event").length;
  }

  #told(process: Process, action: ReturnType<typeof decide>["actions"][number], outcome: string) {
    if (action.kind === "event") {
      if (action.reason === "ReleaseBegan") this.#releases += 1;
      if (action.reason === "RolledBack") this.#rollbacks += 1;
      return this.#trace(`  event ${action.reason}: ${action.text}`);
    }
    if (action.kind === "set-status") {
      const { message, condition, stable } = action.status;
      const text = `${condition} ${stable}: ${message}`;
      if (text !== this.#message) this.#trace(`  status ${text}`);
      this.#message = text;
      return;
    }
    const { kind, ...rest } = action;
    this.#trace(`  ${process.epoch} ${kind} ${outcome} ${JSON.stringify(rest)}`);
  }

  #trace(text: string): void {
    this.#options.trace?.(`${(this.#cluster.nowMs - 1_000_000) / 1000} s ${text}`);
  }

  /** A person ends the pauses that wait for one, after a look at the figures. */
  #promote(): void {
    const { wish } = this.#stage;
    const release = this.#cluster.status?.release;
    const isAsked = this.#message.includes("waits to be promoted");
    this.#askedTicks = isAsked ? this.#askedTicks + 1 : 0;
    if (release !== undefined && this.#askedTicks >= PROMOTED_TICKS)
      wish.release = { ...wish.release, promoted: { revision: release.to, step: release.step } };
  }

  /** What clients feel, one minute for each tick. */
  #tally(): void {
    const release = this.#cluster.status?.release;
    const key = release === undefined ? "" : `${release.to}/${release.step}`;
    if (key !== this.#tallyKey) {
      this.#tallyKey = key;
      [this.#canary, this.#stable] = [noTally(), noTally()];
    }
    if (release === undefined) return;
    for (const pod of this.#cluster.pods.values()) {
      const tally = pod.revision === release.to ? this.#canary : this.#stable;
      const isBad = this.#stage.bad.has(pod.revision);
      if (isBad && pod.revision !== release.to) this.#isOldBad = true;
      tally.connectionMinutes += pod.plane.sessions.length;
      for (let i = 0; i < pod.plane.sessions.length; i++)
        if (this.#random.chance(isBad ? 0.2 : 0.001)) tally.bad.lost += 1;
    }
  }

  #share(): void {
    const { status, shares, pods } = this.#cluster;
    const { strategy } = this.#stage.wish.release;
    const { release } = status ?? {};
    const step = strategy.kind === "Canary" ? strategy.steps[release?.step ?? 0] : undefined;
    if (step === undefined || release?.phase !== "advancing" || release.step > 0) return;
    if (release.reachedAtMs === undefined) return;
    const canary = [...pods.values()].filter(({ revision }) => revision === release.to);
    const carried = canary.reduce((sum, { plane }) => sum + plane.sessions.length, 0);
    shares.ticks += 1;
    shares.carried += carried;
    shares.wished += (this.#connected() * step.sharePercent) / 100;
    shares.most = Math.max(shares.most, carried / Math.max(1, this.#connected()));
  }

  /** How level the pods are when a release has ended. */
  #level(): void {
    const { status, ends, pods } = this.#cluster;
    const before = this.#releasing;
    this.#releasing = status?.release?.phase;
    if (before !== "advancing" || this.#releasing !== undefined) return;
    const loads = [...pods.values()].map(({ plane }) => plane.sessions.length);
    ends.push({ most: Math.max(...loads), mean: this.#connected() / loads.length });
  }

  #tallies(): Tallies | undefined {
    return this.#tallyKey === "" ? undefined : { canary: this.#canary, stable: this.#stable };
  }

  #isStill(): boolean {
    const { status } = this.#cluster;
    if (this.#connected() !== this.#stage.people) return false;
    if ((status?.rebalancing?.givers.length ?? 0) > 0) return false;
    return status?.release === undefined && status?.condition !== "Progressing";
  }

  #connected(): number {
    const pods = [...this.#cluster.pods.values()];
    return pods.reduce((sum, { plane }) => sum + plane.sessions.length, 0);
  }

  /** What must be true when everything is quiet. */
  #atRest(): void {
    const cluster = this.#cluster;
    const { wish } = this.#stage;
    const { status } = cluster;
    if (status === undefined) return cluster.violate("at rest without a status");
    const pods = [...cluster.pods.values()];
    const replicas = status.autoscaling?.replicas ?? wish.replicas;
    if (pods.length !== replicas) cluster.violate(`at rest ${pods.length} pods, not ${replicas}`);
    if (pods.some((pod) => pod.revision !== status.stable || !pod.isReady))
      cluster.violate(`at rest some pods are not ready or not of ${status.stable}`);
    if (pods.some(({ mark }) => mark?.wants === "drain")) cluster.violate("at rest a pod drains");
    const mean = this.#connected() / Math.max(1, pods.length);
    const isLevel = pods.every(({ plane }) => plane.sessions.length >= 0.8 * mean);
    if (isLevel && pods.some(({ receives, plane }) => !receives && room(plane) > 1))
      cluster.violate("at rest a pod does not receive");
    if (status.release !== undefined) cluster.violate("at rest a release is under way");
    const isRejected = status.rejected.includes(wish.revision);
    if (status.stable !== wish.revision && !isRejected && wish.release.aborted !== wish.revision)
      cluster.violate(`at rest on ${status.stable}, wished ${wish.revision}`);
    const isBroken = cluster.broken.has(status.stable);
    if (isBroken) cluster.violate(`the broken revision ${status.stable} is stable`);
    for (const { revision, replicas: count } of cluster.sets.values())
      if (count !== pods.filter((pod) => pod.revision === revision).length)
        cluster.violate(`at rest the ReplicaSet of ${revision} has ${count}`);
  }
}

type Counting = { -readonly [K in keyof Tally]: Tally[K] } & { bad: Record<Signal, number> };

const noTally = (): Counting => ({
  connectionMinutes: 0,
  resumes: 0,
  bad: Object.fromEntries(SIGNALS.map((signal) => [signal, 0])) as Record<Signal, number>,
});
