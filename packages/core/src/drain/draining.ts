// Owns: a drain: the node asks each of its connections to leave, once, at a pace that ends by the
// deadline (H6).

import type { Destination, DrainOptions, DrainProgress } from "../control/control.ts";
import type { Observer } from "../observer.ts";
import { createDrainPacer, type DrainPacer } from "../pacing/drain-pacer.ts";
import type { Clock } from "../ports.ts";
import type { Connection } from "../session/connection.ts";
import type { Sessions } from "../session/sessions.ts";
import type { NodeSettings } from "../settings.ts";

/** What a drain needs of the node. */
export interface DrainNeeds {
  readonly clock: Pick<Clock, "nowMs" | "after">;
  readonly observer: Pick<Observer, "cameBack" | "drainStep">;
  readonly sessions: Pick<Sessions, "connections" | "end">;
  settings(): NodeSettings;
}

/** What the rest of the fleet says about a drain. */
export interface DrainFleet {
  drainTerms(
    remaining: number,
    to: Destination,
  ): {
    readonly handshakesPerSecond: number;
    readonly share: number;
    readonly pressed: boolean;
  };
  windowMs(): number;
  /** Whether a ready node of this revision has a place. */
  hasPlaceAt(revision: string): boolean;
  /** Whether a session's client is known to reach this node alone. */
  isBound(connection: Connection): boolean;
  /** Tells the others at once. */
  announce(): void;
}

/** How often a drain looks at what the rest of the fleet says. */
const TERMS_MS = 250;
/**
 * A client that tried to move and reached this node again waits for this, and four times as long
 * each further time: its balancer may not know yet that the node drains.
 */
const BALANCER_MS = 1000;
const BALANCER_FACTOR = 4;
/** If more come back than this, and than move, the balancer has no other node for them. */
const RETURNS_FEW = 4;
/** After its last connection has ended, the process of a node that stops ends within this. */
const GONE_MS = 1000;

export class Draining {
  readonly #parts: DrainNeeds;
  readonly #fleet: DrainFleet;
  #waiting: Connection[] = [];
  #pacer: DrainPacer | undefined;
  #preDelayUntilMs = 0;
  #windowMs = 0;
  #to: Destination = {};
  #cancel: () => void = () => {};
  #finish: (progress: DrainProgress) => void = () => {};
  #finished: Promise<DrainProgress> | undefined;
  #over = false;
  #isFinal = false;
  #total = 0;
  #moved = 0;
  #told = 0;
  #cut = 0;
  /** Sessions that tried to move and reached this node again. */
  #returned = 0;
  /** Those that were told and are still here. */
  #asked = 0;

  constructor(parts: DrainNeeds, fleet: DrainFleet) {
    this.#parts = parts;
    this.#fleet = fleet;
  }

  get running(): boolean {
    return this.#finished !== undefined;
  }

  /** True from the start until it is undone, also when it is finished. */
  get begun(): boolean {
    return this.running || this.#over;
  }

  /** The process ends after this drain, so the drain cannot be undone. */
  get isFinal(): boolean {
    return this.#isFinal;
  }

  /**
   * True when the node turns newcomers away. It does not yet do so while balancers may still send
   * clients to this node.
   */
  get refusing(): boolean {
    return this.begun && this.#parts.clock.nowMs() >= this.#preDelayUntilMs;
  }

  progress(): DrainProgress | undefined {
    return this.begun ? this.#now() : undefined;
  }

  #now(): DrainProgress {
    const deadlineMs = this.#pacer?.deadlineMs ?? this.#preDelayUntilMs + this.#windowMs;
    const deadlineInMs = this.running ? Math.max(0, deadlineMs - this.#parts.clock.nowMs()) : 0;
    return {
      total: this.#total,
      remaining: this.#parts.sessions.connections.size,
      asked: this.#asked,
      moved: this.#moved,
      told: this.#told,
      cut: this.#cut,
      deadlineInMs,
      ...(this.#to.toRevision === undefined ? {} : { toRevision: this.#to.toRevision }),
      ...(this.#to.isPreferred === true ? { isPreferred: true } : {}),
    };
  }

  /** Begins, or changes the window of the one that runs. Resolves when no connection is left. */
  start(options: DrainOptions): Promise<DrainProgress> {
    const { clock, settings, observer } = this.#parts;
    if (options.isFinal === true) this.#isFinal = true;
    const windowMs = options.windowMs ?? settings().drain.windowMs;
    if (this.#over) return Promise.resolve(this.#now());
    if (this.#finished !== undefined) {
      this.#change(options);
      return this.#finished;
    }
    const preDelayMs = options.preDelayMs ?? settings().drain.preDelayMs;
    this.#preDelayUntilMs = clock.nowMs() + preDelayMs;
    this.#windowMs = windowMs;
    this.#to = destinationOf(options);
    this.#total = this.#parts.sessions.connections.size;
    this.#moved = this.#told = this.#cut = this.#asked = this.#returned = 0;
    this.#finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
    observer.drainStep("started", this.#total, this.#now());
    this.#fleet.announce();
    this.#cancel = clock.after(preDelayMs, () => this.#begin());
    return this.#finished;
  }

  /**
   * The newest order's window and destination count. Its delay counts only if that ends sooner: an
   * order that stops a draining node has its own deadline.
   */
  #change(options: DrainOptions): void {
    const { windowMs, preDelayMs } = options;
    const nowMs = this.#parts.clock.nowMs();
    const before = this.#to;
    // Who stops the process does not know where its sessions should go, and does not wait for it.
    this.#to =
      options.isFinal === true && options.toRevision === undefined
        ? destinationOf({ ...before, isPreferred: true })
        : destinationOf(options);
    if (this.#to.toRevision !== before.toRevision || this.#to.isPreferred !== before.isPreferred)
      this.#fleet.announce();
    this.#windowMs = windowMs ?? this.#windowMs;
    if (this.#pacer !== undefined) {
      if (windowMs !== undefined) this.#pacer.setWindow(nowMs, windowMs);
      return;
    }
    if (preDelayMs === undefined || nowMs + preDelayMs >= this.#preDelayUntilMs) return;
    this.#preDelayUntilMs = nowMs + preDelayMs;
    this.#cancel();
    this.#cancel = this.#parts.clock.after(preDelayMs, () => this.#begin());
  }

  /**
   * A session of this node tried to move and reached this node: ms after which it should try again.
   * Its old connection serves it until the deadline, and after that the node is gone. So one that
   * is known to reach this node alone comes back then, and one that may do so tries once more.
   */
  cameBackMs(connection: Connection): number {
    connection.returns += 1;
    if (connection.returns === 1) this.#returned += 1;
    this.#parts.observer.cameBack("drain");
    const leftMs = this.#now().deadlineInMs;
    if (this.#fleet.isBound(connection)) return Math.round(leftMs);
    const waitMs =
      this.#returned > RETURNS_FEW && this.#returned > this.#moved
        ? (leftMs / 2) * connection.returns
        : BALANCER_MS * BALANCER_FACTOR ** (connection.returns - 1);
    return Math.round(Math.min(leftMs, waitMs));
  }

  /** Ends the drain. Sessions that are here stay; those that were already told may still leave. */
  undo(): boolean {
    if (!this.begun || this.#isFinal) return false;
    this.#cancel();
    for (const connection of this.#parts.sessions.connections) {
      connection.toldToLeave = false;
      connection.returns = 0;
    }
    this.#asked = 0;
    this.#parts.observer.drainStep("undone", this.#parts.sessions.connections.size, this.#now());
    this.#end();
    this.#over = false;
    this.#fleet.announce();
    return true;
  }

  ended(connection: Connection): void {
    if (connection.toldToLeave) this.#asked -= 1;
    if (connection.saidBye === "moved") this.#moved += 1;
    if (this.#pacer !== undefined && this.#parts.sessions.connections.size === 0) this.#done();
  }

  #begin(): void {
    const { clock, sessions, settings } = this.#parts;
    // Those that reach no other node last: their balancer has the more time to notice the drain.
    const [free, bound]: [Connection[], Connection[]] = [[], []];
    for (const connection of sessions.connections)
      (this.#fleet.isBound(connection) ? bound : free).push(connection);
    this.#waiting = [...free, ...bound];
    this.#total = this.#waiting.length;
    this.#pacer = createDrainPacer(
      {
        total: this.#total,
        windowMs: this.#windowMs,
        handshakesPerSecond: this.#fleet.drainTerms(this.#total, this.#to).handshakesPerSecond,
        perSecondMax: settings().drain.perSecondMax,
      },
      clock.nowMs(),
    );
    if (this.#total === 0) this.#done();
    else this.#step(this.#pacer);
  }

  #step(pacer: DrainPacer): void {
    const { clock } = this.#parts;
    const nowMs = clock.nowMs();
    if (nowMs >= pacer.deadlineMs) return this.#cutAll();
    this.#relent(nowMs >= pacer.lastSlotMs);
    const terms = this.#fleet.drainTerms(this.#parts.sessions.connections.size, this.#to);
    pacer.setCapacity(terms.handshakesPerSecond);
    pacer.setShare(terms.share);
    pacer.pressure(nowMs, terms.pressed);
    for (let due = pacer.due(nowMs, this.#waiting.length); due > 0; due--)
      this.#tell(pacer.deadlineMs - nowMs);
    // The last that was told to leave ended the drain.
    if (!this.running) return;
    const nextInMs = Math.min(
      pacer.nextInMs(clock.nowMs(), this.#waiting.length),
      pacer.deadlineMs - nowMs,
      TERMS_MS,
    );
    this.#cancel = clock.after(Math.max(1, nextInMs), () => this.#step(pacer));
  }

  /**
   * Whoever finds no place would be cut at the deadline. So the last part of the window is for any
   * node, if no node of the revision has a place.
   */
  #relent(isLastPart: boolean): void {
    const { toRevision, isPreferred } = this.#to;
    if (!isLastPart || toRevision === undefined || isPreferred === true) return;
    if (this.#fleet.hasPlaceAt(toRevision)) return;
    this.#to = { toRevision, isPreferred: true };
    this.#fleet.announce();
  }

  /** One session's turn: it is asked to move, or told to come back to another node. */
  #tell(deadlineMs: number): void {
    const connection = this.#waiting.shift();
    if (connection === undefined || connection.phase === "ended") return;
    const { sessions, observer } = this.#parts;
    connection.toldToLeave = true;
    this.#asked += 1;
    if (connection.migrates) {
      connection.send({ t: "migrate", reason: "drain", deadlineMs: Math.round(deadlineMs) });
      observer.drainStep("migrate", 1, this.#now());
      return;
    }
    this.#told += 1;
    observer.drainStep("goodbye", 1, this.#now());
    sessions.end(connection, "draining", { windowMs: this.#fleet.windowMs() });
  }

  /** Each ends at once, and the last of them ends the drain. */
  #cutAll(): void {
    const { sessions, observer } = this.#parts;
    const left = [...sessions.connections];
    this.#cut = left.length;
    observer.drainStep("cut", left.length, this.#now());
    const windowMs = this.#fleet.windowMs();
    for (const connection of left)
      sessions.end(
        connection,
        "draining",
        connection.returns > 0 ? { windowMs, retryMs: GONE_MS } : { windowMs },
      );
  }

  #done(): void {
    this.#cancel();
    this.#parts.observer.drainStep("finished", this.#total, this.#now());
    this.#over = true;
    this.#end();
  }

  /** When the drain is done or undone, those who wait for it learn how many sessions left. */
  #end(): void {
    this.#finish(this.#now());
    this.#finished = undefined;
    this.#pacer = undefined;
    this.#waiting = [];
  }
}

function destinationOf({ toRevision, isPreferred }: Destination): Destination {
  if (toRevision === undefined) return {};
  return isPreferred === true ? { toRevision, isPreferred } : { toRevision };
}
