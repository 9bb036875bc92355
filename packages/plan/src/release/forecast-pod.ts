// Owns: one pod of a forecast: what it carries, and how it obeys orders, by the real pacer.
import { createDrainPacer, type DrainPacer } from "@holdfast/core";
import type { DrainMark, ObservedPod, PodReport } from "@holdfast/operator";

/** What a forecast knows of all pods. */
export interface PodTimes {
  /** From the making of a pod until it is ready. */
  readonly startMs: number;
  /** Until Kubernetes notices that a pod is not ready: its probe's period times its failures. */
  readonly unreadyMs: number;
  /** Handshakes that one pod takes in a second (A). */
  readonly handshakesPerSecond: number;
  /** Most sessions that a pod asks to go in a second. */
  readonly perSecondMax: number;
}

export interface PodAtStart {
  readonly revision: string;
  readonly machine: string;
  readonly connections: number;
  readonly places: number;
}

/** An order to give all sessions away, or all but some. */
interface Order {
  readonly pacer: DrainPacer;
  readonly toRevision: string | undefined;
  readonly fromMs: number;
  readonly kept: number;
}

/** Balancers have followed a label after this. */
const ROUTED_MS = 1000;
/** A data plane is asked so often. */
const REPORT_MS = 1000;

export class ForecastPod {
  readonly name: string;
  readonly revision: string;
  readonly machine: string;
  readonly places: number;
  readonly readyAtMs: number;
  readonly createdAtMs: number;
  sessions: number;
  version = 1;
  cost = 0;
  isProtected = true;
  receives = true;
  receivesSinceMs: number;
  mark: DrainMark | undefined;
  markSinceMs = 0;
  order: Order | undefined;
  /** Sessions that should have been asked by now, and were not. */
  #due = 0;
  #report: PodReport | undefined;
  #reportedMs = Number.NEGATIVE_INFINITY;
  readonly #times: PodTimes;

  constructor(name: string, at: PodAtStart & { readonly nowMs: number }, times: PodTimes) {
    this.name = name;
    this.revision = at.revision;
    this.machine = at.machine;
    this.places = at.places;
    this.sessions = at.connections;
    this.createdAtMs = at.nowMs;
    this.readyAtMs = at.nowMs + times.startMs;
    this.receivesSinceMs = at.nowMs;
    this.#times = times;
  }

  isUp(nowMs: number): boolean {
    return nowMs >= this.readyAtMs;
  }

  isDraining(): boolean {
    return this.mark?.wants === "drain";
  }

  /** Sessions that move reach it, and it has a place. */
  isReached(nowMs: number): boolean {
    const isRouted = this.receives && nowMs - this.receivesSinceMs >= ROUTED_MS;
    return this.isServing(nowMs) && isRouted && this.sessions < this.places;
  }

  isServing(nowMs: number): boolean {
    return this.isUp(nowMs) && !this.isDraining();
  }

  /** It follows an order to drain, or to serve again. */
  obey(mark: DrainMark, nowMs: number): void {
    if (this.mark?.token === mark.token && this.mark.wants === mark.wants) return;
    this.mark = mark;
    this.markSinceMs = nowMs;
    this.order = undefined;
    if (mark.wants === "serve") return;
    const fromMs = nowMs + (mark.preDelayMs ?? 0);
    this.#begin(mark.windowMs, { toRevision: mark.toRevision, fromMs, kept: 0 });
  }

  /** It gives sessions away until `kept` are left, within the window. */
  shed(kept: number, toRevision: string, { windowMs, nowMs }: Shedding): void {
    const isSame = this.order?.kept === kept && this.order.toRevision === toRevision;
    if (!this.isDraining() && !isSame) this.#begin(windowMs, { toRevision, fromMs: nowMs, kept });
  }

  #begin(windowMs: number, order: Omit<Order, "pacer">): void {
    const { handshakesPerSecond, perSecondMax } = this.#times;
    const total = Math.max(0, this.sessions - order.kept);
    const options = { total, windowMs, handshakesPerSecond, perSecondMax };
    this.order = { ...order, pacer: createDrainPacer(options, order.fromMs) };
    this.#due = 1;
  }

  /** Sessions that it is to give away, and that did not go yet. */
  left(nowMs: number): number {
    const { order } = this;
    if (order === undefined || nowMs < order.fromMs) return 0;
    return Math.max(0, this.sessions - order.kept);
  }

  /** Sessions that it asks to go in the time that passed. */
  due(nowMs: number, passedMs: number): number {
    const { order } = this;
    if (order === undefined || nowMs < order.fromMs) return 0;
    const left = this.left(nowMs);
    if (left === 0) {
      if (!this.isDraining()) this.order = undefined;
      return 0;
    }
    this.#due += (order.pacer.ratePerSecond(nowMs, left) * passedMs) / 1000;
    const count = Math.min(left, Math.floor(this.#due));
    this.#due = Number.isFinite(this.#due) ? this.#due - count : 0;
    return count;
  }

  /** As the operator sees it. */
  seen(nowMs: number): ObservedPod {
    const isUp = this.isUp(nowMs);
    const isOut = this.isDraining() && nowMs - this.markSinceMs >= this.#times.unreadyMs;
    if (isUp && nowMs - this.#reportedMs >= REPORT_MS) this.#tell(nowMs);
    const report = this.#report;
    return {
      ...{ name: this.name, uid: this.name, resourceVersion: String(this.version) },
      ...{ revision: this.revision, phase: isUp ? "Running" : "Pending", isReady: isUp && !isOut },
      ...(isUp ? { readySinceMs: this.readyAtMs } : {}),
      ...{ isTerminating: false, machine: this.machine, createdAtMs: this.createdAtMs },
      ...{ deletionCost: this.cost, isProtected: this.isProtected, receives: this.receives },
      receivesWatchedMs: nowMs - this.receivesSinceMs,
      ...(this.mark === undefined ? {} : { mark: this.mark }),
      markWatchedMs: this.mark === undefined ? 0 : nowMs - this.markSinceMs,
      ...(report === undefined ? {} : { report: { ...report, ageMs: nowMs - this.#reportedMs } }),
    };
  }

  #tell(nowMs: number): void {
    const { mark, order } = this;
    const isDraining = this.isDraining();
    this.#reportedMs = nowMs;
    this.#report = {
      state: isDraining ? "draining" : "ready",
      ...{ sessions: this.sessions, fixedSockets: 0, connectionsMax: this.places, ageMs: 0 },
      fence: mark?.token ?? 0,
      ...(isDraining && order !== undefined
        ? { drainLeftMs: Math.max(0, order.pacer.deadlineMs - nowMs) }
        : {}),
      ...(!isDraining && order?.toRevision !== undefined
        ? {
            shed: {
              keep: order.kept,
              remaining: Math.max(0, this.sessions - order.kept),
              toRevision: order.toRevision,
            },
          }
        : {}),
    };
  }
}

interface Shedding {
  readonly windowMs: number;
  readonly nowMs: number;
}
