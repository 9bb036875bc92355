// Owns: this node as one of many: it tells the others its figures, hears theirs, and acts on them.

import type { Destination, DrainProgress, ShedProgress } from "../control/control.ts";
import type { OrderFigures } from "../control/order-messages.ts";
import { WindowAdvice } from "../drain/window-advice.ts";
import type { Observer } from "../observer.ts";
import { serverWindowMs } from "../pacing/server-window.ts";
import { type BucketRate, createTokenBucket, type TokenBucket } from "../pacing/token-bucket.ts";
import type { Bus, Clock, Random } from "../ports.ts";
import type { Connection } from "../session/connection.ts";
import type { NodeSettings } from "../settings.ts";
import { CapacityMeter } from "./capacity.ts";
import {
  drainShare,
  excessSessions,
  receiversCapacity,
  receiversOfMoves,
  receiversPressed,
  takesSessions,
  turnAwayChance,
} from "./decisions.ts";
import { capacityAt, hasPlace, moveRule, receiversAt } from "./destinations.ts";
import { Reach } from "./reach.ts";
import { Rebalancer } from "./rebalancer.ts";
import { Refusals } from "./refusals.ts";
import {
  type FleetMessage,
  FleetView,
  type KnownNode,
  type MovesFigures,
  type NodeFigures,
  type NodeState,
} from "./view.ts";

/** What the process measures of itself; zeros if nobody measures. */
export interface Vitals {
  readonly lagMs: number;
  readonly memoryBytes: number;
  readonly brokerOk: boolean;
}

/** What a member needs of the engine around it. */
export interface FleetNode {
  state(): NodeState;
  startedAtMs(): number;
  drain(): DrainProgress | undefined;
  shed(): ShedProgress | undefined;
  /** The session was asked to move because this node gives up some. */
  hasShed(session: string): boolean;
  orders(): OrderFigures;
  vitals(): Vitals;
}

/** What a member needs of the node. */
export interface FleetNeeds {
  readonly clock: Clock;
  readonly random: Pick<Random, "next">;
  readonly broker: { readonly bus: Pick<Bus, "send"> };
  readonly observer: Pick<Observer, "cameBack" | "nodeChanged" | "rebalanced">;
  readonly sessions: { readonly connections: ReadonlySet<Connection>; readonly count: number };
  settings(): NodeSettings;
  background(what: string, work: Promise<unknown>): void;
}

/** What changes for a drain that runs. */
export interface DrainTerms {
  readonly handshakesPerSecond: number;
  readonly share: number;
  readonly pressed: boolean;
}

const TICK_MS = 250;
/** News of this node beyond that waits for the next tick: orders may come by the thousand. */
const ANNOUNCED: BucketRate = { ratePerSecond: 5, burst: 5 };
/** A moving session comes back after about this, and the balancer may have a better place then. */
const TURNED_AWAY_MS = 150;

export class FleetMember {
  readonly #parts: FleetNeeds;
  readonly #node: FleetNode;
  readonly #view: FleetView;
  readonly #meter: CapacityMeter;
  readonly #rebalancer: Rebalancer;
  readonly #advice: WindowAdvice;
  readonly #reach = new Reach();
  readonly #refusals = new Refusals();
  readonly #asked = new WeakSet<Connection>();
  #handshakes = 0;
  #observedMs = 0;
  /** As of the last tick. */
  #receiversCapacity: number;
  #toldMs = Number.NEGATIVE_INFINITY;
  readonly #announcing: TokenBucket;
  #cancelTick: () => void = () => {};

  constructor(parts: FleetNeeds, node: FleetNode) {
    this.#parts = parts;
    this.#node = node;
    const { nodeId, admission, fleet } = parts.settings();
    this.#view = new FleetView(nodeId);
    this.#meter = new CapacityMeter({
      handshakesPerSecond: admission.handshakesPerSecond,
      lagMsMax: fleet.lagMsMax,
    });
    this.#rebalancer = new Rebalancer(this.#rebalanceSettings());
    this.#receiversCapacity = admission.handshakesPerSecond;
    this.#announcing = createTokenBucket(ANNOUNCED, parts.clock.nowMs());
    this.#advice = new WindowAdvice(parts.sessions.connections);
  }

  start(): void {
    this.#tick();
  }

  /** Tells the others that this node is gone, so that they need not wait until its lease ends. */
  stop(): void {
    this.#cancelTick();
    this.#send({ kind: "left", from: this.#parts.settings().nodeId });
  }

  configure(): void {
    const { admission, fleet } = this.#parts.settings();
    this.#meter.configure({
      handshakesPerSecond: admission.handshakesPerSecond,
      lagMsMax: fleet.lagMsMax,
    });
    this.#rebalancer.configure(this.#rebalanceSettings());
  }

  /** Figures and farewells of the others. */
  heard(message: FleetMessage): void {
    const { observer, settings, clock } = this.#parts;
    if (message.from === settings().nodeId) return;
    const known = this.others().some(({ node }) => node === message.from);
    if (message.kind === "left") {
      this.#view.left(message.from);
      if (known) observer.nodeChanged(message.from, "left");
      return;
    }
    this.#view.heard(message.figures, clock.nowMs());
    this.#reach.heard(message.figures.boundOdds);
    if (known) return;
    observer.nodeChanged(message.from, "joined");
    // A newcomer should not wait for the next round to know who is here.
    this.#toldMs = Number.NEGATIVE_INFINITY;
  }

  others(): readonly KnownNode[] {
    return this.#view.others();
  }

  /** This node and the others, by id. */
  nodes(): readonly NodeFigures[] {
    return [...this.others(), this.self()].sort((a, b) => (a.node < b.node ? -1 : 1));
  }

  get handshakesPerSecond(): number {
    return this.#meter.handshakesPerSecond;
  }

  /**
   * Over how long this node's clients should spread if it were gone now (rule 2 of
   * docs/design/holding-connections.md). Cheap:
   * it goes with every pong.
   */
  windowMs(): number {
    const { sessions, settings } = this.#parts;
    return serverWindowMs(
      sessions.count,
      this.#receiversCapacity,
      settings().admission.windowMinMs,
    );
  }

  drainTerms(remaining: number, to: Destination = {}): DrainTerms {
    const others = this.others();
    const named = receiversAt(to, others);
    const receivers = named ?? receiversOfMoves(this.self(), others, this.#parts.clock.wallMs());
    return {
      handshakesPerSecond:
        named === undefined
          ? receiversCapacity(this.handshakesPerSecond, receivers)
          : capacityAt(named),
      share: drainShare(remaining, others, to),
      pressed: receiversPressed(receivers, this.#parts.settings().fleet.lagMsMax),
    };
  }

  /** Something about this node changed that the others should hear at once. */
  announce(): void {
    const nowMs = this.#parts.clock.nowMs();
    if (this.#announcing.take(nowMs)) this.#tell(nowMs);
    else this.#toldMs = Number.NEGATIVE_INFINITY;
  }

  /** Whether another node of the revision has a place. */
  hasPlaceAt(revision: string): boolean {
    return hasPlace(this.others(), revision);
  }

  /** A handshake was answered with a session. */
  tookIn(): void {
    this.#handshakes += 1;
  }

  /**
   * Ms after which a moving session should come again, because it has a better place: a node of the
   * revision that an order names, a node of a newer revision, or, while load is being evened out,
   * one below the mean. The session loses nothing by it. 0: this node takes it. Without an order
   * that insists, that is after a few tries, and at once if clients reach no other node (reach.ts).
   */
  turnedAwayMs(session: string): number {
    const others = this.others();
    const self = this.self();
    const { clock, random, observer } = this.#parts;
    const nowMs = clock.nowMs();
    const { rule, leftMs } = moveRule(self, others, nowMs);
    const isShed = this.#node.hasShed(session);
    if (rule === "take" && !isShed) return 0;
    if (rule === "refuse" || isShed) {
      observer.cameBack("turned_away");
      return this.#refusals.refused(session, { nowMs, leftMs });
    }
    if (this.#reach.cameBack(session, nowMs)) observer.cameBack("turned_away");
    const chance =
      rule === "look" || this.#excess(self, others) > 0
        ? 1
        : turnAwayChance(self, others, clock.wallMs());
    if (chance === 0 || random.next() >= chance) return 0;
    const nodes = this.#nodesToChoose();
    this.#reach.settle(nowMs, nodes);
    const isSent = this.#reach.sendsAway(session, { nowMs, nodes, chance: random.next() });
    return isSent ? TURNED_AWAY_MS : 0;
  }

  /** Whether another node has a place for newcomers. */
  get hasRoomElsewhere(): boolean {
    return this.others().some((node) => takesSessions(node) && node.isFull !== true);
  }

  #nodesToChoose(): number {
    return this.others().filter(takesSessions).length + 1;
  }

  /** A session that moves came from `before`, a connection of this node, and is taken in again. */
  tookBack(before: Connection): void {
    const { clock, observer } = this.#parts;
    if (!this.#asked.delete(before)) return;
    this.#rebalancer.returned();
    this.#reach.bind(before.session, clock.nowMs());
    observer.cameBack("rebalance");
  }

  /** Whether a session's client is known to reach this node alone. */
  isBound({ session }: Connection): boolean {
    return this.#reach.isBound(session, this.#parts.clock.nowMs());
  }

  ended(connection: Connection): void {
    if (connection.saidBye === "moved" && this.#asked.delete(connection)) this.#rebalancer.moved();
  }

  self(): NodeFigures {
    const { sessions, settings } = this.#parts;
    const drain = this.#node.drain();
    const shed = this.#node.shed();
    return {
      node: settings().nodeId,
      revision: settings().revision,
      state: this.#node.state(),
      startedAtMs: this.#node.startedAtMs(),
      connections: sessions.connections.size,
      sessions: sessions.count,
      ...(sessions.connections.size >= settings().limits.connectionsMax ? { isFull: true } : {}),
      handshakesPerSecond: this.#meter.handshakesPerSecond,
      ...this.#node.vitals(),
      orders: this.#node.orders(),
      ...(this.#reach.odds === undefined ? {} : { boundOdds: this.#reach.odds }),
      ...(drain === undefined ? {} : { draining: movesFigures(drain) }),
      ...(shed === undefined ? {} : { shedding: movesFigures(shed) }),
    };
  }

  // ---- keeping time ----

  #tick(): void {
    const { clock, settings, observer } = this.#parts;
    const { fleet } = settings();
    const nowMs = clock.nowMs();
    for (const { node } of this.#view.expire(nowMs, fleet.nodeLeaseMs))
      observer.nodeChanged(node, "died");
    if (nowMs - this.#toldMs >= fleet.figuresMs) this.#tell(nowMs);
    this.#receiversCapacity = receiversCapacity(this.handshakesPerSecond, this.others());
    this.#advice.tick(this.windowMs(), settings().admission.windowMinMs);
    this.#reach.settle(nowMs, this.#nodesToChoose());
    this.#rebalance(nowMs);
    this.#refusals.sweep(nowMs);
    this.#cancelTick = clock.after(TICK_MS, () => this.#tick());
  }

  #tell(nowMs: number): void {
    this.#toldMs = nowMs;
    const { lagMs } = this.#node.vitals();
    this.#meter.observe(this.#handshakes, nowMs - this.#observedMs, lagMs);
    this.#handshakes = 0;
    this.#observedMs = nowMs;
    this.#send({ kind: "figures", from: this.#parts.settings().nodeId, figures: this.self() });
  }

  #rebalance(nowMs: number): void {
    const { sessions, observer, settings } = this.#parts;
    const due = this.#rebalancer.due(nowMs, this.#excess(this.self(), this.others()));
    if (due === 0) return;
    let left = due;
    for (const connection of sessions.connections) {
      if (left === 0) break;
      if (connection.phase !== "open" || !connection.migrates || this.#asked.has(connection))
        continue;
      if (this.isBound(connection)) continue;
      connection.send({ t: "migrate", reason: "rebalance", deadlineMs: settings().drain.windowMs });
      this.#asked.add(connection);
      left -= 1;
    }
    observer.rebalanced(due - left);
  }

  #excess(self: NodeFigures, others: readonly NodeFigures[]): number {
    const { rebalance, rebalanceTolerance, rebalanceSessionsMin } = this.#parts.settings().fleet;
    return rebalance
      ? excessSessions(self, others, {
          tolerance: rebalanceTolerance,
          sessionsMin: rebalanceSessionsMin,
        })
      : 0;
  }

  #rebalanceSettings(): ConstructorParameters<typeof Rebalancer>[0] {
    const { rebalance, rebalancePerSecond, rebalanceCooldownMs } = this.#parts.settings().fleet;
    return { enabled: rebalance, perSecond: rebalancePerSecond, cooldownMs: rebalanceCooldownMs };
  }

  /** Best effort: the next figures come in a second. */
  #send(message: FleetMessage): void {
    this.#parts.background(
      "fleet",
      this.#parts.broker.bus.send(message).catch(() => {}),
    );
  }
}

/** What the others must know of an order that moves sessions. */
const movesFigures = ({
  remaining,
  deadlineInMs,
  toRevision,
  isPreferred,
}: MovesFigures): MovesFigures => ({
  remaining,
  deadlineInMs,
  ...(toRevision === undefined ? {} : { toRevision }),
  ...(isPreferred === undefined ? {} : { isPreferred }),
});
