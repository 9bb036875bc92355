// Owns: a rolling deploy, node by node: the real drain pacer and the real decisions of a fleet,
// with sessions that move make before break.
import {
  createDrainPacer,
  type DrainPacer,
  drainShare,
  receiversCapacity,
  receiversOfMoves,
  receiversPressed,
  TURNED_AWAY_MAX,
  turnAwayChance,
} from "@holdfast/core";
import { createChance } from "./chance.ts";
import { EventQueue } from "./event-queue.ts";
import { type Balancer, RollingNode, type RollingNodeOptions } from "./rolling-node.ts";

export interface RollingDeployOptions {
  readonly sessions: number;
  /** Nodes that are replaced, one after the other: one more runs meanwhile (surge 1). */
  readonly nodes: number;
  readonly node: RollingNodeOptions;
  readonly balancer: Balancer;
  /** From the start of a node until it is ready. */
  readonly startMs: number;
  readonly preDelayMs: number;
  readonly windowMs: number;
  readonly perSecondMax: number;
  readonly connectTimeoutMs: number;
  readonly networkMs: number;
  readonly eventsMax: number;
  readonly seed: number;
}

export interface RollingDeployResult {
  /** False: `eventsMax` was reached. */
  readonly finished: boolean;
  readonly tookMs: number;
  /** From the first notice to the last session's leaving: mean and longest of all nodes. */
  readonly drainMs: number;
  readonly drainMsMax: number;
  /** Sessions that were still there at a deadline: their applications see a disconnect. */
  readonly cut: number;
  readonly movesPerSession: number;
  readonly movesMax: number;
  /** Connections opened for each move. */
  readonly attemptsPerMove: number;
  readonly attemptsPerSecondMax: number;
  /** Most sessions that had two connections at once. */
  readonly doubledMax: number;
  /** Sessions at the end: all of them, and the most on one node as a multiple of the mean. */
  readonly sessionsAtEnd: number;
  readonly unevenness: number;
  readonly events: number;
}

/**
 * Waits of a client that moves (packages/client/src/engine/migration.ts) and of a node that turns
 * it away (packages/core/src/session/handshake.ts).
 */
const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 5000;
const TURNED_AWAY_MS = 150;
const TERMS_MS = 250;
/** Round trips until a second connection has caught up: subscribe and its answer. */
const CATCH_UP_TRIPS = 2;

const KIND = 2 ** 32;
const [ATTEMPT, HELLO, TAKEN, STEP, BEGIN, READY] = [0, 1, 2, 3, 4, 5].map((kind) => kind * KIND);

/** Simulates every session by itself; `batchedRollingDeploy` bounds time and memory. */
export function simulateRollingDeploy(options: RollingDeployOptions): RollingDeployResult {
  return new RollingDeploy(options).run();
}

class RollingDeploy {
  readonly #options: RollingDeployOptions;
  readonly #chance: () => number;
  readonly #queue = new EventQueue();
  readonly #nodes: RollingNode[] = [];
  #ready: RollingNode[] = [];
  /** For each node, what the last figures imply. */
  readonly #turnAwayChances = new Map<number, number>();
  /**
   * For each session: the node that it is on (-1: none), the node that it tries, and its history.
   */
  readonly #home: Int32Array;
  readonly #target: Int32Array;
  readonly #failures: Uint8Array;
  readonly #turnedAway: Uint8Array;
  readonly #moves: Uint8Array;
  /** 1 while it has a connection to both nodes. */
  readonly #doubled: Uint8Array;
  readonly #begunMs: Float64Array;
  #old = 0;
  #leaving: RollingNode | undefined;
  #pacer: DrainPacer | undefined;
  #waiting: number[] = [];
  #drainStartMs = 0;
  #figuresMs = Number.NEGATIVE_INFINITY;
  readonly #drains: number[] = [];
  readonly #counts = {
    attempts: 0,
    moves: 0,
    cut: 0,
    doubled: 0,
    doubledMax: 0,
    events: 0,
    endMs: 0,
  };

  constructor(options: RollingDeployOptions) {
    const { sessions, nodes, seed } = options;
    this.#options = options;
    this.#chance = createChance(seed);
    this.#home = Int32Array.from({ length: sessions }, (_, session) => session % nodes);
    this.#target = new Int32Array(sessions);
    this.#failures = new Uint8Array(sessions);
    this.#turnedAway = new Uint8Array(sessions);
    this.#moves = new Uint8Array(sessions);
    this.#doubled = new Uint8Array(sessions);
    this.#begunMs = new Float64Array(sessions);
    for (let index = 0; index < nodes; index++) this.#addNode("old", 0);
    for (const home of this.#home) this.#node(home).sessions += 1;
    for (const node of this.#nodes) node.connections = node.sessions;
  }

  run(): RollingDeployResult {
    this.#queue.push(this.#options.startMs, READY ?? 0);
    while (this.#counts.events < this.#options.eventsMax && this.#queue.next()) {
      this.#counts.events += 1;
      const { event, nowMs } = this.#queue;
      const kind = Math.floor(event / KIND) * KIND;
      this.#handle(kind, event - kind, nowMs);
    }
    return this.#result();
  }

  #handle(kind: number, about: number, nowMs: number): void {
    if (kind === ATTEMPT) this.#attempt(about, nowMs);
    else if (kind === HELLO) this.#hello(about, nowMs);
    else if (kind === TAKEN) this.#taken(about, nowMs);
    else if (kind === STEP) this.#step(nowMs);
    else if (kind === BEGIN) this.#begin(nowMs);
    else this.#replacementReady(nowMs);
  }

  // ---- the node that goes ----

  #replacementReady(nowMs: number): void {
    this.#addNode("new", nowMs);
    const leaving = this.#node(this.#old);
    leaving.state = "draining";
    this.#ready = this.#nodes.filter(({ state }) => state === "ready");
    this.#leaving = leaving;
    this.#figuresMs = Number.NEGATIVE_INFINITY;
    this.#queue.push(nowMs + this.#options.preDelayMs, BEGIN ?? 0);
  }

  #begin(nowMs: number): void {
    const { windowMs, perSecondMax } = this.#options;
    this.#tellFigures(nowMs);
    this.#waiting = [];
    for (const [session, home] of this.#home.entries())
      if (home === this.#old) this.#waiting.push(session);
    this.#drainStartMs = nowMs;
    const handshakesPerSecond = this.#terms(this.#waiting.length).handshakesPerSecond;
    this.#pacer = createDrainPacer(
      { total: this.#waiting.length, windowMs, handshakesPerSecond, perSecondMax },
      nowMs,
    );
    if (this.#waiting.length === 0) this.#gone(nowMs);
    else this.#step(nowMs);
  }

  /**
   * As in packages/core/src/drain/draining.ts: ask the pacer how many, tell those sessions, wait.
   */
  #step(nowMs: number): void {
    const [pacer, leaving] = [this.#pacer, this.#leaving];
    if (pacer === undefined || leaving === undefined) return;
    if (nowMs >= pacer.deadlineMs) return this.#cutAll(leaving, nowMs);
    this.#tellFigures(nowMs);
    const terms = this.#terms(leaving.sessions);
    pacer.setCapacity(terms.handshakesPerSecond);
    pacer.setShare(terms.share);
    pacer.pressure(nowMs, terms.pressed);
    for (let due = pacer.due(nowMs, this.#waiting.length); due > 0; due--)
      this.#tell(this.#waiting.pop(), nowMs);
    const nextInMs = Math.min(
      pacer.nextInMs(nowMs, this.#waiting.length),
      pacer.deadlineMs - nowMs,
      TERMS_MS,
    );
    this.#queue.push(nowMs + Math.max(1, nextInMs), STEP ?? 0);
  }

  #terms(remaining: number): {
    readonly handshakesPerSecond: number;
    readonly share: number;
    readonly pressed: boolean;
  } {
    const self = this.#node(this.#old).figures;
    const others = this.#figuresOfOthers(this.#old);
    const receivers = receiversOfMoves(self, others, this.#queue.nowMs);
    const { lagMsMax, handshakesPerSecond } = this.#options.node.receiver;
    return {
      handshakesPerSecond: receiversCapacity(handshakesPerSecond, receivers),
      share: drainShare(remaining, others),
      pressed: receiversPressed(receivers, lagMsMax),
    };
  }

  #tell(session: number | undefined, nowMs: number): void {
    if (session === undefined || this.#home[session] !== this.#old) return;
    this.#turnedAway[session] = 0;
    this.#failures[session] = 0;
    this.#queue.push(nowMs + this.#options.networkMs, (ATTEMPT ?? 0) + session);
  }

  /**
   * By this time every session was told, and tries to move. These still try, without a connection.
   */
  #cutAll(leaving: RollingNode, nowMs: number): void {
    for (const [session, home] of this.#home.entries()) {
      if (home !== this.#old) continue;
      this.#home[session] = -1;
      this.#counts.cut += 1;
      this.#counts.doubled -= this.#doubled[session] ?? 0;
      this.#doubled[session] = 0;
    }
    leaving.sessions = 0;
    this.#gone(nowMs);
  }

  #gone(nowMs: number): void {
    const leaving = this.#leaving;
    if (leaving === undefined) return;
    leaving.state = "stopped";
    this.#drains.push(nowMs - this.#drainStartMs);
    this.#counts.endMs = nowMs;
    this.#leaving = this.#pacer = undefined;
    this.#old += 1;
    if (this.#old < this.#options.nodes)
      this.#queue.push(nowMs + this.#options.startMs, READY ?? 0);
  }

  // ---- a session that goes ----

  #attempt(session: number, nowMs: number): void {
    const { networkMs } = this.#options;
    const target = this.#choose();
    const node = this.#node(target);
    this.#counts.attempts += 1;
    this.#target[session] = target;
    this.#begunMs[session] = nowMs;
    node.connections += 1;
    const { doneMs, retryMs } = node.receiver.upgrade(nowMs + networkMs);
    if (retryMs === 0) this.#queue.push(doneMs + 2 * networkMs, (HELLO ?? 0) + session);
    else this.#failed(session, doneMs + networkMs, retryMs);
  }

  #hello(session: number, nowMs: number): void {
    const { networkMs, connectTimeoutMs } = this.#options;
    const target = this.#target[session] ?? 0;
    const node = this.#node(target);
    if (node.state !== "ready") return this.#failed(session, nowMs + networkMs, 0);
    const moves = this.#home[session] !== -1;
    const turnsAway =
      moves &&
      (this.#turnedAway[session] ?? 0) < TURNED_AWAY_MAX &&
      this.#chance() < this.#turnAwayChance(target);
    if (turnsAway) this.#turnedAway[session] = (this.#turnedAway[session] ?? 0) + 1;
    const { doneMs, retryMs } = node.receiver.hello(
      nowMs,
      turnsAway ? TURNED_AWAY_MS * (0.5 + this.#chance()) : 0,
    );
    const heardMs = doneMs + networkMs;
    if (heardMs > (this.#begunMs[session] ?? 0) + connectTimeoutMs)
      this.#failed(session, heardMs, 0);
    else if (retryMs > 0) this.#failed(session, heardMs, retryMs);
    else {
      this.#doubled[session] = moves ? 1 : 0;
      this.#counts.doubled += moves ? 1 : 0;
      this.#counts.doubledMax = Math.max(this.#counts.doubledMax, this.#counts.doubled);
      this.#queue.push(heardMs + CATCH_UP_TRIPS * 2 * networkMs, (TAKEN ?? 0) + session);
    }
  }

  #failed(session: number, atMs: number, retryMs: number): void {
    this.#node(this.#target[session] ?? 0).connections -= 1;
    if (retryMs === 0) this.#failures[session] = Math.min(200, (this.#failures[session] ?? 0) + 1);
    const spreadMs = Math.min(
      RETRY_CAP_MS,
      RETRY_BASE_MS * 2 ** Math.min(this.#failures[session] ?? 0, 8),
    );
    // What a client does next is known when its attempt is judged, which may be later than it does
    // it.
    this.#queue.push(
      Math.max(atMs, this.#queue.nowMs) + retryMs + this.#chance() * spreadMs,
      (ATTEMPT ?? 0) + session,
    );
  }

  #taken(session: number, nowMs: number): void {
    const [home, target] = [this.#home[session] ?? -1, this.#target[session] ?? 0];
    const node = this.#node(target);
    this.#home[session] = target;
    this.#moves[session] = (this.#moves[session] ?? 0) + 1;
    this.#counts.moves += 1;
    node.sessions += 1;
    this.#counts.doubled -= this.#doubled[session] ?? 0;
    this.#doubled[session] = 0;
    if (home === -1) return;
    const before = this.#node(home);
    before.sessions -= 1;
    before.connections -= 1;
    if (before === this.#leaving && before.sessions === 0) this.#gone(nowMs);
  }

  // ---- the fleet ----

  #choose(): number {
    const ready = this.#ready;
    const [first] = ready;
    if (first === undefined) return this.#nodes.length - 1;
    if (this.#options.balancer === "random")
      return (ready[Math.floor(this.#chance() * ready.length)] ?? first).index;
    return ready.reduce((least, node) => (node.connections < least.connections ? node : least))
      .index;
  }

  #turnAwayChance(target: number): number {
    const known =
      this.#turnAwayChances.get(target) ??
      turnAwayChance(this.#node(target).figures, this.#figuresOfOthers(target), this.#queue.nowMs);
    this.#turnAwayChances.set(target, known);
    return known;
  }

  #figuresOfOthers(index: number) {
    return this.#nodes
      .filter((node) => node.index !== index && node.state !== "stopped")
      .map(({ figures }) => figures);
  }

  /** Nodes know of each other what was told last. */
  #tellFigures(nowMs: number): void {
    if (nowMs - this.#figuresMs < this.#options.node.receiver.figuresMs) return;
    this.#figuresMs = nowMs;
    this.#turnAwayChances.clear();
    for (const node of this.#nodes) node.tell();
  }

  #addNode(revision: string, startedAtMs: number): void {
    const node = new RollingNode({
      ...this.#options.node,
      index: this.#nodes.length,
      revision,
      startedAtMs,
      chance: this.#chance,
    });
    this.#nodes.push(node);
    this.#ready.push(node);
  }

  #node(index: number): RollingNode {
    const node = this.#nodes[index];
    if (node === undefined)
      throw new RangeError(`Cannot find node ${index}: found ${this.#nodes.length} nodes`);
    return node;
  }

  #result(): RollingDeployResult {
    const { sessions, nodes } = this.#options;
    const { attempts, moves, cut, doubledMax, events, endMs } = this.#counts;
    const left = this.#nodes.filter(({ state }) => state === "ready");
    const sessionsAtEnd = left.reduce((sum, node) => sum + node.sessions, 0);
    return {
      finished: this.#old === nodes && sessionsAtEnd === sessions,
      tookMs: endMs,
      drainMs: this.#drains.reduce((sum, ms) => sum + ms, 0) / Math.max(1, this.#drains.length),
      drainMsMax: Math.max(0, ...this.#drains),
      cut,
      movesPerSession: sessions === 0 ? 0 : moves / sessions,
      movesMax: this.#moves.reduce((most, count) => Math.max(most, count), 0),
      attemptsPerMove: moves === 0 ? 0 : attempts / moves,
      attemptsPerSecondMax: Math.max(...this.#nodes.map(({ receiver }) => receiver.peaks.attempts)),
      doubledMax,
      sessionsAtEnd,
      unevenness:
        sessionsAtEnd === 0
          ? 1
          : (Math.max(...left.map((node) => node.sessions)) * left.length) / sessionsAtEnd,
      events,
    };
  }
}
