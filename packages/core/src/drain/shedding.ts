// Owns: an order to give up some sessions: the node asks them to move to nodes of one revision,
// until it has as few as it may keep. It cuts nobody, and takes newcomers meanwhile.
import type { ShedOptions, ShedProgress } from "../control/control.ts";
import type { Observer } from "../observer.ts";
import { createDrainPacer, type DrainPacer } from "../pacing/drain-pacer.ts";
import type { Clock } from "../ports.ts";
import type { Connection } from "../session/connection.ts";
import type { Sessions } from "../session/sessions.ts";
import type { NodeSettings } from "../settings.ts";
import type { DrainFleet } from "./draining.ts";

/** What it needs of the node. */
export interface ShedNeeds {
  readonly clock: Pick<Clock, "nowMs" | "after">;
  readonly observer: Pick<Observer, "shedStep">;
  readonly sessions: Pick<Sessions, "connections" | "count">;
  settings(): NodeSettings;
}

/** How often it looks at what the rest of the fleet says. */
const TERMS_MS = 250;
/**
 * A client that did not move for so long, though others did, may sleep: another one is asked in its
 * place.
 */
const STALE_MS = 15_000;

interface Order {
  readonly keep: number;
  readonly toRevision: string;
  readonly pacer: DrainPacer;
}

/**
 * Bounded: it remembers the connections that it asked, as long as they are open and the order runs.
 */
export class Shedding {
  readonly #parts: ShedNeeds;
  readonly #fleet: Pick<DrainFleet, "drainTerms" | "isBound" | "announce">;
  #order: Order | undefined;
  #cancel: () => void = () => {};
  /** Asked, and still here: when each was asked, the first one first. */
  readonly #asked = new Map<Connection, number>();
  /** Asked long ago, and still here. */
  readonly #stale = new Set<Connection>();
  #movedMs = Number.NEGATIVE_INFINITY;
  #next: Iterator<Connection> | undefined;
  /** Nobody else is left: those that are known to reach this node alone are asked too. */
  #asksBound = false;

  constructor(parts: ShedNeeds, fleet: Pick<DrainFleet, "drainTerms" | "isBound" | "announce">) {
    this.#parts = parts;
    this.#fleet = fleet;
  }

  get running(): boolean {
    return this.#order !== undefined;
  }

  progress(): ShedProgress | undefined {
    const order = this.#order;
    if (order === undefined) return undefined;
    const { clock } = this.#parts;
    return {
      keep: order.keep,
      remaining: this.#excess(order),
      asked: this.#asked.size + this.#stale.size,
      toRevision: order.toRevision,
      deadlineInMs: Math.max(0, order.pacer.deadlineMs - clock.nowMs()),
    };
  }

  /** Whether the connection was asked to move by the order that runs. */
  hasAsked(connection: Connection): boolean {
    return this.#asked.has(connection) || this.#stale.has(connection);
  }

  /** Begins, or replaces the order that runs: those that were asked count for the new one. */
  start({ keep, toRevision, windowMs }: ShedOptions): void {
    const { clock, settings } = this.#parts;
    const { drain } = settings();
    const before = this.#order;
    this.#cancel();
    if (before !== undefined && before.toRevision !== toRevision) this.#forget();
    const pacer = createDrainPacer(
      {
        total: this.#parts.sessions.count,
        windowMs: windowMs ?? drain.windowMs,
        handshakesPerSecond: 0,
        perSecondMax: drain.perSecondMax,
      },
      clock.nowMs(),
    );
    const order = { keep, toRevision, pacer };
    this.#order = order;
    const excess = this.#excess(order);
    this.#parts.observer.shedStep("started", excess);
    if (excess === 0) return this.#end("reached");
    this.#fleet.announce();
    this.#cancel = clock.after(0, () => this.#step(order));
  }

  /** Ends the order. Those that were asked may still move. */
  undo(): boolean {
    if (!this.running) return false;
    this.#end("undone");
    return true;
  }

  ended(connection: Connection): void {
    const wasAsked = this.#asked.delete(connection) || this.#stale.delete(connection);
    if (wasAsked && connection.saidBye === "moved") this.#movedMs = this.#parts.clock.nowMs();
  }

  #excess({ keep }: Order): number {
    return Math.max(0, this.#parts.sessions.count - keep);
  }

  #step(order: Order): void {
    const { clock } = this.#parts;
    const { pacer } = order;
    const nowMs = clock.nowMs();
    const excess = this.#excess(order);
    if (excess === 0) return this.#end("reached");
    if (nowMs >= pacer.deadlineMs) return this.#end("over");
    const terms = this.#fleet.drainTerms(excess, order);
    pacer.setCapacity(terms.handshakesPerSecond);
    pacer.setShare(terms.share);
    pacer.pressure(nowMs, terms.pressed);
    // Nobody is cut later: who would find no place, or no time, is not asked.
    const mayAsk = terms.handshakesPerSecond > 0 && nowMs < pacer.lastSlotMs;
    this.#giveUpStale(nowMs);
    const wanted = mayAsk ? excess - this.#asked.size : 0;
    const due = pacer.due(nowMs, Math.max(0, wanted));
    const asked = this.#ask(due, nowMs, pacer.deadlineMs - nowMs);
    if (asked > 0) this.#parts.observer.shedStep("migrate", asked);
    const nextInMs = asked < due ? TERMS_MS : pacer.nextInMs(nowMs, Math.max(0, wanted - asked));
    this.#cancel = clock.after(
      Math.max(1, Math.min(nextInMs, pacer.deadlineMs - nowMs, TERMS_MS)),
      () => this.#step(order),
    );
  }

  #ask(count: number, nowMs: number, leftMs: number): number {
    for (let asked = 0; asked < count; asked++) {
      const connection = this.#candidate();
      if (connection === undefined) return asked;
      this.#asked.set(connection, nowMs);
      connection.send({ t: "migrate", reason: "rebalance", deadlineMs: Math.round(leftMs) });
    }
    return count;
  }

  /** Goes on where it stopped. Looks at each connection once at most. */
  #candidate(): Connection | undefined {
    this.#next ??= this.#parts.sessions.connections.values();
    for (let next = this.#next.next(); next.done !== true; next = this.#next.next()) {
      const connection = next.value;
      if (connection.phase !== "open" || !connection.migrates || this.hasAsked(connection))
        continue;
      if (this.#asksBound || !this.#fleet.isBound(connection)) return connection;
    }
    this.#next = undefined;
    this.#asksBound = true;
    return undefined;
  }

  #giveUpStale(nowMs: number): void {
    for (const [connection, askedMs] of this.#asked) {
      if (nowMs - askedMs < STALE_MS || this.#movedMs <= askedMs) return;
      this.#asked.delete(connection);
      this.#stale.add(connection);
    }
  }

  #end(how: "reached" | "over" | "undone"): void {
    const order = this.#order;
    if (order === undefined) return;
    this.#cancel();
    this.#parts.observer.shedStep(how, this.#excess(order));
    this.#order = undefined;
    this.#forget();
    this.#fleet.announce();
  }

  #forget(): void {
    this.#asked.clear();
    this.#stale.clear();
    this.#next = undefined;
    this.#asksBound = false;
    this.#movedMs = Number.NEGATIVE_INFINITY;
  }
}
