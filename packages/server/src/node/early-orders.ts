// Owns: orders that come before the node has its engine. They are remembered with their tokens, and
// carried out before the node begins to serve.
import { type NodeControl, type NodeInfo, Orders, type OwnOrder } from "@holdfast/core";
import type { Metrics } from "../metrics/index.ts";
import type { Config } from "../options/index.ts";
import { systemClock, systemRandom } from "./system.ts";

type Refusal = Extract<ReturnType<NodeControl["obey"]>, { ok: false }>;
/** Orders, and what the node says of itself. Everything else needs the broker. */
const NOT_YET: Refusal = {
  ok: false,
  code: "try_later",
  message: "The node waits for its broker",
  retryMs: 1000,
};
const NOTHING = { total: 0, remaining: 0, asked: 0, moved: 0, told: 0, cut: 0, deadlineInMs: 0 };
const NO_FELT: NodeInfo["felt"] = {
  connectionMinutes: 0,
  resumes: 0,
  resumesFailed: 0,
  lost: 0,
  slow: 0,
  closedAbnormally: 0,
};

/** Bounded: of all orders it remembers two. */
export class EarlyOrders {
  readonly #orders: Orders;
  /** The last one with a token, which fences, and the last one of all, which counts. */
  #fencing: OwnOrder | undefined;
  #last: OwnOrder | undefined;

  constructor(config: Config, nodeId: string, { observer }: Pick<Metrics, "observer">) {
    const settings = { ...config, nodeId };
    this.#orders = new Orders(
      {
        clock: systemClock,
        random: systemRandom,
        broker: { bus: { send: () => Promise.resolve() } },
        // What is obeyed here is counted when the engine obeys it.
        observer: {
          ordered(order, outcome) {
            if (outcome === "refused") observer.ordered(order, outcome);
          },
        },
        settings: () => settings,
        background: () => {},
      },
      // Only remembered: an order that comes again is remembered again.
      {
        isEnding: () => false,
        isUnder: () => false,
        drain: () => {},
        undrain: () => {},
        shed: () => {},
      },
    );
  }

  obey(order: OwnOrder): ReturnType<NodeControl["obey"]> {
    const outcome = this.#orders.obey(order);
    if (!outcome.ok) return outcome;
    this.#last = order;
    if (order.token !== undefined) this.#fencing = order;
    return outcome;
  }

  get isDraining(): boolean {
    return this.#last?.order === "drain";
  }

  get fence(): number {
    return this.#orders.figures.fence ?? 0;
  }

  /** Nobody was sent to the node yet, so a drain waits for no balancer. */
  carryOut(engine: Pick<NodeControl, "obey">): void {
    const orders = new Set([this.#fencing, this.#last]);
    for (const order of orders)
      if (order !== undefined)
        engine.obey(order.order === "drain" ? { ...order, preDelayMs: 0 } : order);
  }
}

/** What the HTTP API can do before there is an engine. */
export function waitingControl(
  { revision, limits, admission }: Config,
  node: string,
  orders: EarlyOrders,
): NodeControl {
  const notYet = (): Promise<Refusal> => Promise.resolve(NOT_YET);
  return {
    publish: notYet,
    history: notYet,
    openHistory: notYet,
    removeHistory: notYet,
    presence: notYet,
    channels: notYet,
    disconnect: notYet,
    unsubscribe: notYet,
    rpc: notYet,
    order: notYet,
    sessions: () => [],
    nodes: () => [],
    sessionsEverywhere: async () => ({ sessions: [], missing: [node] }),
    drain: async () => NOTHING,
    undrain: () => false,
    obey: (order) => orders.obey(order),
    info: () => ({
      node,
      revision,
      state: orders.isDraining ? "draining" : "starting",
      startedAtMs: 0,
      connections: 0,
      sessions: 0,
      fixedSockets: 0,
      connectionsMax: limits.connectionsMax,
      isFull: false,
      subscriptions: 0,
      channels: 0,
      queueBytes: 0,
      heldBytes: 0,
      windowMs: admission.windowMinMs,
      handshakesPerSecond: admission.handshakesPerSecond,
      felt: NO_FELT,
      fence: orders.fence,
      ...(orders.isDraining ? { drain: NOTHING } : {}),
    }),
  };
}
