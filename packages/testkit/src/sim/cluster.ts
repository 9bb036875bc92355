// Owns: the nodes of a run: starting, draining, stopping, killing and replacing them.
import type { ContractDefinition } from "@holdfast/contract";
import type {
  Authenticator,
  Broker,
  NodeSettings,
  OrderOptions,
  OwnOrder,
  SeededRandom,
} from "@holdfast/core";
import type { Message } from "./connection.ts";
import type { EventLoop } from "./event-loop.ts";
import type { Fault } from "./faults.ts";
import type { Network } from "./network.ts";
import { OrderOracle } from "./order-oracle.ts";
import type { SimBroker } from "./sim-broker.ts";
import { SimNode } from "./sim-node.ts";
import type { Trace } from "./trace.ts";
import type { Verdict } from "./verdict.ts";

/**
 * How long the balancer believes in a node that began to drain; a drain's `preDelayMs` covers it,
 * as it must in production.
 */
const PROPAGATION_MS_MAX = 800;
/**
 * After a drain's deadline peers have this long to answer the closing handshake; the engine's
 * STRAGGLER_MS and some.
 */
const STRAGGLER_MS = 2500;

/** A node notices within this time that its wall clock was set right. */
const CLOCK_NOTICED_MS = 1500;

export interface ClusterOptions {
  readonly loop: EventLoop;
  readonly network: Network;
  readonly broker: SimBroker;
  readonly random: SeededRandom;
  readonly settings: Omit<NodeSettings, "nodeId">;
  readonly contract: ContractDefinition;
  /** Replacements are of a newer revision. */
  readonly rollsOut: boolean;
  readonly verdict: Verdict;
  readonly trace: Trace;
  /** What engines use of their view; for tests that break it on purpose. */
  wrapBroker(broker: Broker): Broker;
  wrapAuthenticator(authenticator: Authenticator): Authenticator;
  sending(client: string, message: Message, node: SimNode): Message | undefined;
  /** A node begins to read history; the result is called when it has ended. */
  reads(node: SimNode, channel: string): () => void;
}

type OrderFault = Extract<Fault, { kind: "ordered" }>;
type ShedFault = Extract<Fault, { kind: "sheds" }>;

interface Slot {
  node: SimNode | undefined;
  generation: number;
  /** A drain runs. */
  draining: boolean;
  /** Another node orders it to drain and not to: it is not drained otherwise. */
  ordered: boolean;
  /** The process did nothing for this long in all: drains are given as much more. */
  stalledMs: number;
  stalledUntilMs: number;
  jumpedMs: number;
  /** Drains that were begun. */
  drains: number;
}

const tokenOf = (token: number | undefined): OrderOptions => (token === undefined ? {} : { token });

/** Node `n<slot>.<generation>` for each slot; a replacement has a new id. */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #slots: Slot[];
  healed = false;
  readonly orders: OrderOracle;
  /** A node's clock was wrong at some time. */
  clocksWrong = false;
  /** Until then nodes may go by the clock that they had. */
  #rightMs = 0;
  drains = 0;

  constructor(slots: number, options: ClusterOptions) {
    this.#options = options;
    this.orders = new OrderOracle(options.verdict);
    this.#slots = Array.from({ length: slots }, () => ({
      node: undefined,
      generation: 0,
      draining: false,
      ordered: false,
      stalledMs: 0,
      stalledUntilMs: 0,
      jumpedMs: 0,
      drains: 0,
    }));
    for (const slot of this.#slots.keys()) this.start(slot);
  }

  nodes(): readonly SimNode[] {
    return this.#slots.flatMap(({ node }) => (node === undefined ? [] : [node]));
  }

  /** Whether every slot has a node that takes newcomers. */
  get whole(): boolean {
    return this.#slots.every(({ node, draining }) => node?.engine.state === "ready" && !draining);
  }

  start(index: number): void {
    const slot = this.#slot(index);
    if (slot.node !== undefined) return;
    const { loop, broker, random, settings, contract, verdict, network, trace } = this.#options;
    const revision = this.#options.rollsOut ? `r${slot.generation}` : settings.revision;
    const name = `n${index}.${slot.generation++}`;
    const process = loop.process(name);
    const view = broker.connect(name, process);
    const node: SimNode = new SimNode({
      settings: { ...settings, nodeId: name, revision },
      contract,
      process,
      view,
      broker: this.#options.wrapBroker(view),
      random: random.fork(name),
      wrapAuthenticator: this.#options.wrapAuthenticator,
      verifyMs: random.int(30),
      bug: (where, error) =>
        verdict.broken(
          "bug",
          `${name} in ${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        ),
      sending: (client, message) => this.#options.sending(client, message, node),
    });
    view.onRead = (channel) => this.#options.reads(node, channel);
    Object.assign(slot, {
      node,
      draining: false,
      ordered: false,
      stalledMs: 0,
      stalledUntilMs: 0,
      jumpedMs: 0,
    });
    node.start(() => {
      trace.add(name, "ready");
      network.listen(name, node, random.int(300));
    });
  }

  kill(index: number, how: "refuses" | "silent", backAfterMs: number): void {
    const slot = this.#slot(index);
    if (slot.node === undefined) return;
    const { random, network, trace } = this.#options;
    trace.add(slot.node.name, "killed", how);
    slot.node.process.kill();
    slot.node.view.end();
    network.lose(slot.node.name, how, random.int(4000));
    slot.node = undefined;
    this.#later(backAfterMs, () => this.start(index));
  }

  /** SIGTERM: drains, then exits. */
  stop(index: number, windowMs: number, backAfterMs: number): void {
    const slot = this.#slot(index);
    const { node } = slot;
    if (node === undefined || slot.draining || slot.ordered) return;
    this.#drain(slot, node, windowMs, () => {
      if (slot.node !== node) return;
      node.engine.stop();
      void node.view.close();
      node.process.kill();
      this.#options.network.lose(node.name, "refuses", 0);
      slot.node = undefined;
      this.#later(backAfterMs, () => this.start(index));
    });
  }

  /** Drains and stays; after `undrainAfterMs` the drain is undone, whether it ended or not. */
  drain(index: number, windowMs: number, undrainAfterMs: number): void {
    const slot = this.#slot(index);
    const { node } = slot;
    if (node === undefined || slot.draining || slot.ordered) return;
    this.#drain(slot, node, windowMs, () => {});
    this.#later(undrainAfterMs, () => {
      if (slot.node !== node) return;
      this.#options.trace.add(node.name, "undrains");
      node.engine.undrain();
      this.#relist(slot, node);
    });
  }

  /** One node orders another to drain, and later not to. */
  order({ by, slot: index, windowMs, undrainAfterMs, tokens, toRevision }: OrderFault): void {
    const giver = this.#slot(by).node;
    const slot = this.#slot(index);
    const { node } = slot;
    // Nobody orders what is stopped or drained otherwise.
    if (giver === undefined || node === undefined || slot.draining) return;
    node.drains += 1;
    slot.ordered = true;
    const [drainToken, undrainToken] = tokens;
    const preDelayMs = PROPAGATION_MS_MAX;
    const to = toRevision === undefined ? {} : { toRevision };
    this.#give(giver, slot, "drain", { windowMs, preDelayMs, ...tokenOf(drainToken), ...to });
    this.#later(undrainAfterMs, () => {
      if (slot.node === node) this.#give(giver, slot, "undrain", tokenOf(undrainToken));
    });
  }

  /** A node gives up sessions. It stays ready, and nobody is cut. */
  shed({ slot: index, keep, toRevision, windowMs, undoneAfterMs }: ShedFault): void {
    const slot = this.#slot(index);
    const { node } = slot;
    if (node === undefined || slot.draining || slot.ordered) return;
    const { trace, verdict } = this.#options;
    trace.add(node.name, "sheds", `to ${keep} for ${toRevision} in ${windowMs} ms`);
    this.#obey(node, { order: "shed", keep, toRevision, windowMs });
    this.#later(undoneAfterMs, () => {
      if (slot.node === node && !slot.draining && !slot.ordered && node.engine.info().shed)
        this.#obey(node, { order: "undrain" });
    });
    const stalledBeforeMs = slot.stalledMs;
    this.#later(windowMs + STRAGGLER_MS, () => {
      const isLate = slot.node === node && slot.stalledMs === stalledBeforeMs;
      const shed = isLate ? node.engine.info().shed : undefined;
      if (shed !== undefined && shed.deadlineInMs <= 0)
        verdict.broken("H6", `${node.name} still sheds at its deadline`);
    });
  }

  #obey(node: SimNode, order: OwnOrder): void {
    const settled = this.orders.begin(node, node);
    const outcome = node.engine.obey(order);
    settled(outcome.ok ? "ok" : outcome.code);
  }

  #give(giver: SimNode, slot: Slot, order: "drain" | "undrain", options: OrderOptions): void {
    const { node } = slot;
    if (node === undefined) return;
    const { network, random, trace } = this.#options;
    const settled = this.orders.begin(giver, node);
    trace.add(giver.name, "orders", `${node.name} to ${order} ${options.token ?? ""}`);
    void giver.engine.order(node.name, order, options).then((outcome) => {
      const code = outcome.ok ? "ok" : outcome.code;
      trace.add(giver.name, "was told", `${code} of ${node.name}'s ${order}`);
      settled(code);
      if (slot.node !== node) return;
      if (outcome.ok) network.list(node.name, order === "undrain", random.int(PROPAGATION_MS_MAX));
      if (this.healed) this.#undrain(slot);
    });
  }

  #undrain(slot: Slot): void {
    if (slot.node?.engine.undrain() === true) this.#relist(slot, slot.node);
  }

  stall(index: number, forMs: number): void {
    const slot = this.#slot(index);
    const { nowMs } = this.#options.loop;
    const untilMs = Math.max(slot.stalledUntilMs, nowMs + forMs);
    slot.stalledMs += untilMs - Math.max(nowMs, slot.stalledUntilMs);
    slot.stalledUntilMs = untilMs;
    slot.node?.process.stall(forMs);
  }

  jumpClock(index: number, byMs: number): void {
    const slot = this.#slot(index);
    slot.jumpedMs += byMs;
    this.clocksWrong = true;
    slot.node?.process.jumpWall(byMs);
  }

  cutBroker(index: number, forMs: number): void {
    const { node } = this.#slot(index);
    node?.view.cut();
    node?.view.reconnectAfter(forMs);
  }

  loseOnTheWay(index: number, count: number): void {
    const { node } = this.#slot(index);
    if (node !== undefined) node.view.holes += count;
  }

  /** From now on every slot has a ready node with a right clock. */
  heal(): void {
    this.healed = true;
    this.#rightMs = this.#options.loop.nowMs + CLOCK_NOTICED_MS;
    for (const [index, slot] of this.#slots.entries()) {
      slot.node?.process.jumpWall(-slot.jumpedMs);
      slot.jumpedMs = 0;
      if (slot.node === undefined) this.start(index);
      else slot.node.view.holes = 0;
      if (slot.ordered) this.#undrain(slot);
    }
  }

  /** How far a node's wall clock or its patience may be off. */
  slackMs(node: SimNode): number {
    const slot = this.#slots.find((other) => other.node === node);
    return slot === undefined || this.#options.loop.nowMs < this.#rightMs
      ? Number.POSITIVE_INFINITY
      : Math.abs(slot.jumpedMs) + slot.stalledMs;
  }

  /** How long the node's process did nothing, in all. */
  stalledMs(node: SimNode): number {
    return this.#slots.find((slot) => slot.node === node)?.stalledMs ?? 0;
  }

  #drain(slot: Slot, node: SimNode, windowMs: number, ended: () => void): void {
    const { random, network, trace, verdict, loop } = this.#options;
    slot.draining = true;
    this.drains += 1;
    node.drains += 1;
    const propagationMs = random.int(PROPAGATION_MS_MAX);
    const preDelayMs = propagationMs + random.int(500);
    trace.add(node.name, "drains", `${windowMs} ms after ${preDelayMs} ms`);
    network.list(node.name, false, propagationMs);
    const stalledBeforeMs = slot.stalledMs - Math.max(0, slot.stalledUntilMs - loop.nowMs);
    const startedMs = loop.nowMs;
    let over = false;
    void node.engine.drain({ windowMs, preDelayMs }).then(({ cut }) => {
      over = true;
      const tookMs = loop.nowMs - startedMs;
      trace.add(node.name, "drained", `in ${tookMs.toFixed(0)} ms, ${cut} cut`);
      const allowedMs = preDelayMs + windowMs + STRAGGLER_MS + slot.stalledMs - stalledBeforeMs;
      if (tookMs > allowedMs)
        verdict.broken(
          "H6",
          `${node.name} took ${tookMs.toFixed(0)} ms to drain, allowed ${allowedMs}`,
        );
      if (slot.draining && slot.node === node && node.engine.info().connections > 0) {
        verdict.broken(
          "H6",
          `${node.name} says that it is drained and has ${node.engine.info().connections} connections`,
        );
      }
      ended();
    });
    const drain = ++slot.drains;
    const late = (knownStallsMs: number): void => {
      // Undone, or of a node that is gone; or the process had no time.
      if (over || slot.node !== node || slot.drains !== drain || !slot.draining) return;
      const stalledMs = slot.stalledMs - knownStallsMs;
      const again = slot.stalledMs;
      if (stalledMs > 0) this.#later(stalledMs, () => late(again));
      else verdict.broken("H6", `${node.name} still drains at its deadline`);
    };
    this.#later(preDelayMs + windowMs + STRAGGLER_MS, () => late(stalledBeforeMs));
  }

  #relist(slot: Slot, node: SimNode): void {
    slot.draining = false;
    this.#options.network.list(node.name, true, this.#options.random.int(PROPAGATION_MS_MAX));
  }

  #later(delayMs: number, task: () => void): void {
    this.#world.at(delayMs, task);
  }

  get #world() {
    this.#worldProcess ??= this.#options.loop.process("cluster");
    return this.#worldProcess;
  }
  #worldProcess: ReturnType<EventLoop["process"]> | undefined;

  #slot(index: number): Slot {
    const slot = this.#slots[index % this.#slots.length];
    if (slot === undefined) throw new Error(`no slot ${index}`);
    return slot;
  }
}
