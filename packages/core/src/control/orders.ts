// Owns: orders from one node to another, and to this one. An order is carried out, refused or
// expired, and its giver is told which.
//
// Nodes' clocks are not compared. The giver of an order decides how long the order is valid. The
// receiver asks the giver before it obeys, so that it never carries out an order that has expired.
// Every message is repeated or answered again, because the bus may lose it.
import type { Outcome } from "@holdfast/contract";
import type { Bus, Clock, Random } from "../ports.ts";
import type { DrainOptions, OrderOptions, OwnOrder, ShedOptions } from "./control.ts";
import type { Order, OrderFigures, OrderMessage, SentOrder } from "./order-messages.ts";

/** What orders need of the node. */
export interface OrderNeeds {
  readonly clock: Clock;
  readonly random: Pick<Random, "id">;
  readonly broker: { readonly bus: Pick<Bus, "send"> };
  readonly observer: { ordered(order: Order, outcome: "obeyed" | "refused" | "expired"): void };
  settings(): { readonly nodeId: string };
  background(what: string, work: Promise<unknown>): void;
}

/** Carries an order out. */
export interface Obedient {
  /** Its process ends: a drain cannot be undone. */
  isEnding(): boolean;
  /** What an order began goes on: a drain that was not undone, or a shed. */
  isUnder(order: "drain" | "shed"): boolean;
  drain(options: DrainOptions): void;
  undrain(): void;
  shed(options: ShedOptions): void;
}

type Result = Pick<Told<"order-done">, "refused" | "fence">;

type Told<K extends OrderMessage["kind"]> = Extract<OrderMessage, { kind: K }>;

interface Given {
  readonly message: Told<"order">;
  /** The giver confirmed the order: the node may have obeyed. */
  isSent: boolean;
  settle(outcome: Outcome<void>): void;
}

interface Taken {
  readonly message: Told<"order">;
  done: Told<"order-done"> | undefined;
}

/** How long an order is valid. */
const GOOD_MS = 10_000;
/** How long the giver waits for the result of an order that may have been carried out. */
const WORD_MS = 5_000;
const REPEAT_MS = 500;
/** Orders that this node gave and that are not settled. More are refused. */
const GIVEN_MAX = 256;
/** Orders remembered, for those who ask again; the oldest is forgotten first. */
const TAKEN_MAX = 1024;

export class Orders {
  readonly #parts: OrderNeeds;
  readonly #node: Obedient;
  readonly #given = new Map<string, Given>();
  readonly #taken = new Map<string, Taken>();
  #fence: number | undefined;
  /** The last that was obeyed. */
  #last: OwnOrder | undefined;
  #obeyed = 0;
  #refused = 0;
  #expired = 0;

  constructor(parts: OrderNeeds, node: Obedient) {
    this.#parts = parts;
    this.#node = node;
  }

  get figures(): OrderFigures {
    return {
      obeyed: this.#obeyed,
      refused: this.#refused,
      expired: this.#expired,
      ...(this.#fence === undefined ? {} : { fence: this.#fence }),
    };
  }

  /** Gives an order. Resolves when its result is known; never rejects. */
  give(node: string, order: SentOrder, options: OrderOptions): Promise<Outcome<void>> {
    const { settings, random, clock } = this.#parts;
    const message = {
      kind: "order",
      from: settings().nodeId,
      node,
      id: random.id(),
      order,
      ...options,
    } as const;
    if (node === settings().nodeId) return Promise.resolve(this.obey({ order, ...options }));
    if (this.#given.size >= GIVEN_MAX) {
      const why = `${GIVEN_MAX} orders are under way, expected fewer`;
      return Promise.resolve({
        ok: false,
        code: "request_failed",
        message: `Cannot ${order} "${node}": ${why}`,
        retryMs: REPEAT_MS,
      });
    }
    return new Promise((resolve) => {
      let cancel = (): void => {};
      const endsMs = clock.nowMs() + GOOD_MS;
      const given: Given = {
        message,
        isSent: false,
        settle: (outcome) => {
          cancel();
          this.#given.delete(message.id);
          resolve(outcome);
        },
      };
      const again = (): void => {
        if (clock.nowMs() >= endsMs + (given.isSent ? WORD_MS : 0)) return this.#giveUp(given);
        this.#send(message);
        cancel = clock.after(REPEAT_MS, again);
      };
      this.#given.set(message.id, given);
      again();
    });
  }

  /** Carries out an order that was given to this very node. */
  obey(asked: OwnOrder): Outcome<void> {
    const { order, token } = asked;
    const { nodeId: node } = this.#parts.settings();
    return outcomeOf({ order, token, node }, this.#obey(asked));
  }

  heard(message: OrderMessage): void {
    const self = this.#parts.settings().nodeId;
    if (message.kind === "order") {
      if (message.node === self) this.#take(message);
    } else if (message.to !== self) return;
    else if (message.kind === "order-asked") this.#go(message);
    else if (message.kind === "order-go") this.#start(message);
    else {
      const given = this.#given.get(message.id);
      given?.settle(outcomeOf({ token: undefined, ...given.message }, message));
    }
  }

  // ---- who gives ----

  #go({ id, from }: Told<"order-asked">): void {
    const given = this.#given.get(id);
    if (given === undefined) return;
    given.isSent = true;
    this.#send({ kind: "order-go", from: this.#parts.settings().nodeId, to: from, id });
  }

  #giveUp({ message: { order, node }, isSent, settle }: Given): void {
    this.#expired += 1;
    this.#parts.observer.ordered(order, "expired");
    settle(
      isSent
        ? {
            ok: false,
            code: "order_unconfirmed",
            message: `Cannot tell whether "${node}" carried ${order} out: it took it and said no more`,
          }
        : {
            ok: false,
            code: "order_expired",
            message: `Cannot ${order} "${node}": it did not answer within ${GOOD_MS / 1000} s`,
          },
    );
  }

  // ---- who takes ----

  #take(message: Told<"order">): void {
    const { id, from } = message;
    const key = keyOf(from, id);
    const known = this.#taken.get(key);
    if (known?.done !== undefined) return this.#send(known.done);
    if (known === undefined) {
      this.#taken.set(key, { message, done: undefined });
      if (this.#taken.size > TAKEN_MAX)
        for (const oldest of this.#taken.keys()) {
          this.#taken.delete(oldest);
          break;
        }
    }
    this.#send({ kind: "order-asked", from: this.#parts.settings().nodeId, to: from, id });
  }

  #start({ id, from }: Told<"order-go">): void {
    const taken = this.#taken.get(keyOf(from, id));
    if (taken === undefined) return;
    taken.done ??= {
      kind: "order-done",
      from: this.#parts.settings().nodeId,
      to: from,
      id,
      ...this.#obey(askedOf(taken.message)),
    };
    this.#send(taken.done);
  }

  /** An order without a token neither checks nor changes the fence. */
  #obey(asked: OwnOrder): Result {
    const { order, token } = asked;
    const refused = this.#refusal(order, token);
    if (refused !== undefined) this.#refused += 1;
    else {
      this.#obeyed += 1;
      this.#fence = token ?? this.#fence;
      if (!this.#isRepeated(asked)) this.#carryOut(asked);
      this.#last = asked;
    }
    this.#parts.observer.ordered(order, refused === undefined ? "obeyed" : "refused");
    return {
      ...(refused === undefined ? {} : { refused }),
      ...(this.#fence === undefined ? {} : { fence: this.#fence }),
    };
  }

  #carryOut(asked: OwnOrder): void {
    if (asked.order === "undrain") return this.#node.undrain();
    const { order, token: _, ...options } = asked;
    if (order === "shed") this.#node.shed(options as ShedOptions);
    else this.#node.drain(options);
  }

  /** Who cannot know whether an order arrived gives it again: its window must not begin anew. */
  #isRepeated(asked: OwnOrder): boolean {
    const last = this.#last;
    if (asked.order === "undrain" || asked.token === undefined || last === undefined) return false;
    const isSame = MEMBERS.every((name) => memberOf(asked, name) === memberOf(last, name));
    return isSame && this.#node.isUnder(asked.order);
  }

  #refusal(order: Order, token: number | undefined): "token" | "ending" | undefined {
    if (token !== undefined && this.#fence !== undefined && token < this.#fence) return "token";
    return order !== "drain" && this.#node.isEnding() ? "ending" : undefined;
  }

  /** If it is lost, it is repeated. */
  #send(message: OrderMessage): void {
    const { background, broker } = this.#parts;
    background(
      "order",
      broker.bus.send(message).catch(() => {}),
    );
  }
}

const keyOf = (from: string, id: string): string => `${from}/${id}`;

/** What an order says. Nodes of a later version may say more. */
const MEMBERS = [
  "order",
  "token",
  "windowMs",
  "preDelayMs",
  "toRevision",
  "isPreferred",
  "keep",
] as const;

const memberOf = (order: OwnOrder, name: (typeof MEMBERS)[number]): unknown =>
  (order as { readonly [M in typeof name]?: unknown })[name];

function askedOf(message: Told<"order">): OwnOrder {
  const { order, token, windowMs, preDelayMs, toRevision, isPreferred } = message;
  return {
    order,
    ...(token === undefined ? {} : { token }),
    ...(windowMs === undefined ? {} : { windowMs }),
    ...(preDelayMs === undefined ? {} : { preDelayMs }),
    ...(toRevision === undefined ? {} : { toRevision }),
    ...(isPreferred === undefined ? {} : { isPreferred }),
  };
}

function outcomeOf(
  { order, node, token }: Pick<Told<"order">, "node"> & { order: Order; token: number | undefined },
  { refused, fence }: Result,
): Outcome<void> {
  if (refused === undefined) return { ok: true, value: undefined };
  if (refused === "ending")
    return {
      ok: false,
      code: "node_ending",
      message: `Cannot ${order} "${node}": its process ends when it is drained`,
    };
  return {
    ok: false,
    code: "order_refused",
    message: `Cannot ${order} "${node}": found token ${token}, expected at least ${fence}`,
    path: "token",
  };
}
