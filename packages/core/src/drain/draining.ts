// Owns: a drain: the node asks each of its connections to leave, once, at a pace that ends by the
// deadline (H6).

import type { DrainOptions, DrainProgress } from "../control/control.ts";
import type { Observer } from "../observer.ts";
import { createDrainPacer, type DrainPacer } from "../pacing/drain-pacer.ts";
import type { Clock } from "../ports.ts";
import type { Connection } from "../session/connection.ts";
import type { Sessions } from "../session/sessions.ts";
import type { NodeSettings } from "../settings.ts";

/** What a drain needs of the node. */
export interface DrainNeeds {
  readonly clock: Pick<Clock, "nowMs" | "after">;
  readonly observer: Pick<Observer, "drainStep">;
  readonly sessions: Pick<Sessions, "connections" | "end">;
  settings(): NodeSettings;
}

/** What the rest of the fleet says about a drain. */
export interface DrainFleet {
  drainTerms(remaining: number): {
    readonly handshakesPerSecond: number;
    readonly share: number;
    readonly pressed: boolean;
  };
  windowMs(): number;
  /** Tells the others at once. */
  announce(): void;
}

/** How often a drain looks at what the rest of the fleet says. */
const TERMS_MS = 250;

export class Draining {
  readonly #parts: DrainNeeds;
  readonly #fleet: DrainFleet;
  #waiting: Connection[] = [];
  #pacer: DrainPacer | undefined;
  #preDelayUntilMs = 0;
  #windowMs = 0;
  #cancel: () => void = () => {};
  #finish: (progress: DrainProgress) => void = () => {};
  #finished: Promise<DrainProgress> | undefined;
  #over = false;
  #isFinal = false;
  #total = 0;
  #moved = 0;
  #told = 0;
  #cut = 0;
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
    this.#total = this.#parts.sessions.connections.size;
    this.#moved = this.#told = this.#cut = this.#asked = 0;
    this.#finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
    observer.drainStep("started", this.#total, this.#now());
    this.#fleet.announce();
    this.#cancel = clock.after(preDelayMs, () => this.#begin());
    return this.#finished;
  }

  /**
   * The newest order's window counts. Its delay counts only if that ends sooner: an order that
   * stops a draining node has its own deadline.
   */
  #change({ windowMs, preDelayMs }: DrainOptions): void {
    const nowMs = this.#parts.clock.nowMs();
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

  /** Ends the drain. Sessions that are here stay; those that were already told may still leave. */
  undo(): boolean {
    if (!this.begun || this.#isFinal) return false;
    this.#cancel();
    for (const connection of this.#parts.sessions.connections) connection.toldToLeave = false;
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
    this.#waiting = [...sessions.connections];
    this.#total = this.#waiting.length;
    this.#pacer = createDrainPacer(
      {
        total: this.#total,
        windowMs: this.#windowMs,
        handshakesPerSecond: this.#fleet.drainTerms(this.#total).handshakesPerSecond,
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
    const terms = this.#fleet.drainTerms(this.#parts.sessions.connections.size);
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
    for (const connection of left)
      sessions.end(connection, "draining", { windowMs: this.#fleet.windowMs() });
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
