// Owns: a simulation of many clients that lose their connections at once, with the clients' real
// delays and the nodes' real admission.
import { attemptDelayMs } from "@holdfast/client/engine";
import { createChance } from "./chance.ts";
import { EventQueue } from "./event-queue.ts";
import {
  type Answer,
  ReceivingNode,
  type ReceivingNodeSettings,
  type SetUpCosts,
} from "./receiving-node.ts";
import type { Balancer } from "./rolling-node.ts";

export interface MassReconnectOptions {
  /** Clients whose connections end at time 0. */
  readonly clients: number;
  /** Nodes that receive them. */
  readonly nodes: number;
  /**
   * How clients are distributed. A node that refuses has fewer connections: with
   * `least-connections` it gets the next ones as well.
   */
  readonly balancer: Balancer;
  readonly receiver: ReceivingNodeSettings;
  readonly costs: SetUpCosts;
  /** Share (0 to 1) of each event loop that deliveries take. */
  readonly background: number;
  /** The time over which clients were told to spread; 0: nobody told them. */
  readonly windowMs: number;
  /**
   * If present, some clients know an older, smaller window from when they connected: each knows a
   * time between the two.
   */
  readonly windowLeastMs?: number;
  /** How long a client waits for the answer to its first frame. */
  readonly connectTimeoutMs: number;
  /** One way. */
  readonly networkMs: number;
  /** The end of the simulation. */
  readonly horizonMs: number;
  readonly eventsMax: number;
  readonly seed: number;
}

export interface MassReconnectResult {
  /** When everyone has a session again; undefined: not within the horizon. */
  readonly backMs: number | undefined;
  /** When half and 99 of 100 have. */
  readonly halfBackMs: number | undefined;
  readonly mostBackMs: number | undefined;
  readonly backShare: number;
  readonly attemptsPerClient: number;
  /** Handshakes whose clients had given up: wasted work. */
  readonly abandonedPerClient: number;
  /** In the worst second of any node. */
  readonly attemptsPerSecondMax: number;
  readonly setUpsPerSecondMax: number;
  /** Share of the clients that are back after each `CURVE_MS`-th part of the time that is shown. */
  readonly curve: readonly { readonly atMs: number; readonly share: number }[];
  readonly events: number;
}

const CURVE_POINTS = 60;
/** An event is the client's number, and whether its upgrade is done. */
const HELLO = 2 ** 31;
/**
 * A failed connection has ended: a balancer that counts connections learns of it when the client
 * does, not before.
 */
const OVER = 2 ** 32;

/**
 * Simulates every client by itself. Its time and memory grow with `clients`; `batchedMassReconnect`
 * bounds both.
 */
export function simulateMassReconnect(options: MassReconnectOptions): MassReconnectResult {
  return new MassReconnect(options).run();
}

class MassReconnect {
  readonly #options: MassReconnectOptions;
  readonly #chance: () => number;
  readonly #queue = new EventQueue();
  readonly #receivers: readonly ReceivingNode[];
  readonly #failures: Uint8Array;
  /** The window that each client knows. A client that gets a slot forgets it. */
  readonly #windowsMs: Float64Array;
  readonly #connections: Int32Array;
  readonly #begunMs: Float64Array;
  readonly #target: Uint16Array;
  readonly #backMs: number[] = [];
  #attempts = 0;
  #abandoned = 0;
  #events = 0;

  constructor(options: MassReconnectOptions) {
    const { clients, nodes, receiver: settings, costs, background, seed } = options;
    this.#options = options;
    this.#chance = createChance(seed);
    this.#receivers = Array.from(
      { length: nodes },
      () => new ReceivingNode({ settings, costs, background, chance: this.#chance }),
    );
    this.#failures = new Uint8Array(clients);
    const { windowMs, windowLeastMs = windowMs } = options;
    this.#windowsMs = new Float64Array(clients).map(
      () => windowLeastMs + (windowMs - windowLeastMs) * this.#chance(),
    );
    this.#connections = new Int32Array(nodes);
    this.#begunMs = new Float64Array(clients);
    this.#target = new Uint16Array(clients);
  }

  run(): MassReconnectResult {
    const { clients, horizonMs, eventsMax, networkMs } = this.#options;
    // The end of a connection reaches its client after one way through the network.
    for (let client = 0; client < clients; client++)
      this.#schedule(client, networkMs * (1 + this.#chance()), 0);
    while (this.#backMs.length < clients && this.#events < eventsMax && this.#queue.next()) {
      if (this.#queue.nowMs > horizonMs) break;
      this.#events += 1;
      const { event, nowMs } = this.#queue;
      if (event >= OVER) this.#over(event - OVER);
      else if (event < HELLO) this.#attempt(event, nowMs);
      else this.#hello(event - HELLO, nowMs);
    }
    return this.#result();
  }

  /** The next attempt of a client that learns at `nowMs` that it has no connection. */
  #schedule(client: number, nowMs: number, retryMs: number): void {
    const windowMs = this.#windowsMs[client] ?? 0;
    const delayMs = attemptDelayMs({
      failures: this.#failures[client] ?? 0,
      retryMs,
      windowMs,
      random: this.#chance(),
    });
    this.#queue.push(nowMs + delayMs, client);
  }

  #attempt(client: number, nowMs: number): void {
    const { networkMs } = this.#options;
    const node = this.#choose();
    this.#attempts += 1;
    this.#connections[node] = (this.#connections[node] ?? 0) + 1;
    this.#target[client] = node;
    this.#begunMs[client] = nowMs;
    const answer = this.#receivers[node]?.upgrade(nowMs + networkMs);
    if (answer === undefined) return;
    if (answer.retryMs === 0) this.#queue.push(answer.doneMs + 2 * networkMs, HELLO + client);
    else this.#refused(client, answer, false);
  }

  #choose(): number {
    const { nodes, balancer } = this.#options;
    if (nodes === 1) return 0;
    if (balancer === "random") return Math.floor(this.#chance() * nodes);
    return this.#connections.reduce(
      (least, count, node) => (count < (this.#connections[least] ?? 0) ? node : least),
      0,
    );
  }

  #hello(client: number, nowMs: number): void {
    const { networkMs } = this.#options;
    const receiver = this.#receivers[this.#target[client] ?? 0];
    if (receiver === undefined) return;
    const answer = receiver.hello(nowMs);
    // A client that gets its own slot is told to forget the window.
    if (answer.retryMs > 0) this.#refused(client, answer, true);
    else if (answer.doneMs + networkMs > this.#givesUpMs(client)) this.#abandon(client);
    else this.#backMs.push(answer.doneMs + networkMs);
  }

  #refused(client: number, { doneMs, retryMs }: Answer, forgetsWindow: boolean): void {
    const heardMs = doneMs + this.#options.networkMs;
    if (heardMs > this.#givesUpMs(client)) return this.#abandon(client);
    if (forgetsWindow) this.#windowsMs[client] = 0;
    this.#fail(client, heardMs, retryMs);
  }

  #abandon(client: number): void {
    this.#abandoned += 1;
    this.#fail(client, this.#givesUpMs(client), 0);
  }

  #givesUpMs(client: number): number {
    return (this.#begunMs[client] ?? 0) + this.#options.connectTimeoutMs;
  }

  #over(node: number): void {
    this.#connections[node] = (this.#connections[node] ?? 0) - 1;
  }

  /**
   * A client's next step is known when its attempt is judged, which may be after the time of that
   * step.
   */
  #fail(client: number, atMs: number, retryMs: number): void {
    if (this.#options.nodes > 1)
      this.#queue.push(Math.max(atMs, this.#queue.nowMs), OVER + (this.#target[client] ?? 0));
    const before = this.#failures[client] ?? 0;
    this.#failures[client] = retryMs > 0 ? Math.max(1, before) : Math.min(200, before + 1);
    this.#schedule(client, Math.max(atMs, this.#queue.nowMs), retryMs);
  }

  #result(): MassReconnectResult {
    const { clients, horizonMs } = this.#options;
    const times = Float64Array.from(this.#backMs.filter((atMs) => atMs <= horizonMs)).sort();
    const whenBack = (share: number): number | undefined =>
      times[Math.max(0, Math.ceil(clients * share) - 1)];
    const peaks = this.#receivers.map((receiver) => receiver.peaks);
    return {
      backMs: clients === 0 ? 0 : whenBack(1),
      halfBackMs: whenBack(0.5),
      mostBackMs: whenBack(0.99),
      backShare: clients === 0 ? 1 : times.length / clients,
      attemptsPerClient: clients === 0 ? 0 : this.#attempts / clients,
      abandonedPerClient: clients === 0 ? 0 : this.#abandoned / clients,
      attemptsPerSecondMax: Math.max(...peaks.map(({ attempts }) => attempts)),
      setUpsPerSecondMax: Math.max(...peaks.map(({ setUps }) => setUps)),
      curve: curveOf(times, clients, whenBack(1) ?? horizonMs),
      events: this.#events,
    };
  }
}

function curveOf(
  times: Float64Array,
  clients: number,
  untilMs: number,
): MassReconnectResult["curve"] {
  let back = 0;
  return Array.from({ length: CURVE_POINTS + 1 }, (_, point) => {
    const atMs = (untilMs * point) / CURVE_POINTS;
    while (back < times.length && (times[back] ?? 0) <= atMs) back += 1;
    return { atMs, share: clients === 0 ? 1 : back / clients };
  });
}
