// Owns: carrying out the requests of open connections: order within a channel, one answer for each.
import { passesAfterMs } from "@holdfast/contract";
import { type ClientFrame, type CodeName, lengthOf } from "@holdfast/protocol";
import type { Contexts } from "../application/contexts.ts";
import { type HistoryNeeds, readHistory } from "../channel/history-request.ts";
import { type PublishNeeds, publish } from "../channel/publish-request.ts";
import {
  type SubscribeNeeds,
  subscribe,
  type UnsubscribeNeeds,
  unsubscribe,
} from "../channel/subscribe-request.ts";
import type { Observer } from "../observer.ts";
import { BrokerError } from "../ports.ts";
import {
  type EnterNeeds,
  enter,
  leave,
  type UnwatchNeeds,
  unwatch,
  type WatchNeeds,
  watch,
} from "../presence/presence-requests.ts";
import { type Answer, ChannelOrder } from "./channel-order.ts";
import { type Connection, errFrame } from "./connection.ts";
import type { Felt } from "./felt.ts";
import type { ChannelFrame, RequestFrame } from "./frames.ts";
import { HELD_REQUEST_BYTES, type HeldBytes } from "./held-bytes.ts";
import { type RulesNeeds, rulesOf } from "./permission.ts";
import { asRefused, Refused } from "./refusal.ts";
import { isRelief } from "./relief.ts";
import { type CallNeeds, call } from "./rpc.ts";

/** What carrying out requests needs of the node: what each of them needs. */
export type RequestNeeds = PublishNeeds &
  SubscribeNeeds &
  UnsubscribeNeeds &
  HistoryNeeds &
  EnterNeeds &
  WatchNeeds &
  UnwatchNeeds &
  CallNeeds &
  RulesNeeds & {
    readonly contexts: Pick<Contexts, "of" | "ofCall" | "away">;
    readonly heldBytes: HeldBytes;
    readonly observer: Observer;
    readonly felt: Pick<Felt, "slow">;
    readonly hubs: { get(channel: string): unknown };
    readonly rates: { channel(connection: Connection, channel: string): number };
    readonly sessions: { end(connection: Connection, code: CodeName): void };
  };

/**
 * Requests on one connection that may be under way or wait behind others on their channel, besides
 * one for each subscription and place in presence that it may have; more are refused.
 */
const WAITING_MAX = 1000;
const HELD_RETRY_MS = 1000;

/** Requests that make the node, or its broker, know a channel. */
const MAKES_KNOWN: ReadonlySet<ChannelFrame["t"]> = new Set<ChannelFrame["t"]>([
  "subscribe",
  "publish",
  "history",
  "enter",
  "watch",
]);

export class Requests {
  readonly #parts: RequestNeeds;

  constructor(parts: RequestNeeds) {
    this.#parts = parts;
  }

  handle(connection: Connection, frame: RequestFrame): void {
    if (frame.t === "cancel") connection.calls?.get(frame.id)?.end("rpc_cancelled");
    else if (frame.t === "rpc")
      this.#guarded(connection, { send: directly(connection), id: frame.id }, () =>
        call(this.#parts, connection, frame),
      );
    else this.#inOrder(connection, frame, (send) => this.#carryOut(connection, frame, send));
  }

  /**
   * A channel that the node does not carry yet counts towards the share of the party that names it.
   */
  #checkChannel(connection: Connection, frame: ChannelFrame): void {
    if (connection.lastChannel === frame.ch || this.#parts.hubs.get(frame.ch) !== undefined) return;
    const retryMs = this.#parts.rates.channel(connection, frame.ch);
    if (retryMs > 0)
      throw new Refused(
        "rate_limited",
        `Cannot ${frame.t}: found more new channels than this user's or address's share`,
        { retryMs },
      );
  }

  /** Answers a request that is not carried out, in its turn. */
  refuse(connection: Connection, item: ClientFrame & { readonly id: number }, why: Refused): void {
    const refused = (): never => {
      throw why;
    };
    if ("ch" in item) this.#inOrder(connection, item, refused);
    else this.#guarded(connection, { send: directly(connection), id: item.id }, refused);
  }

  /**
   * Answers a request that could not be read, in its turn if it named a channel. It is nothing that
   * waits to be carried out: it counts as little as a publish whose answer is awaited.
   */
  refuseUnread(
    connection: Connection,
    { id, ch }: { readonly id: number; readonly ch: string | undefined },
    why: Refused,
  ): void {
    const order = ch === undefined ? undefined : connection.orders?.get(ch);
    if (order === undefined) return this.#refuse(directly(connection), id, why);
    const run = (): undefined => this.#refuse(order.place(), id, why) as undefined;
    const bytes = order.waits({ isPublish: true }) ? HELD_REQUEST_BYTES : 0;
    if (!this.#hold(connection, { id, what: "read the request" }, bytes)) return;
    this.#count(connection, order.run(run, { isPublish: true }), bytes);
  }

  /**
   * Runs the request behind those that wait on the same channel. If none waits, it runs, and often
   * ends, within this call.
   */
  #inOrder(
    connection: Connection,
    frame: ChannelFrame,
    act: (send: Answer) => Promise<void> | void,
  ): void {
    const { subscriptionsMax, presencePerConnectionMax } = this.#parts.settings().limits;
    const max = WAITING_MAX + subscriptionsMax + presencePerConnectionMax;
    if (connection.waiting >= max && !this.#mayWait(connection, frame, max)) return;
    const bytes = bytesToHold(connection, frame);
    const asked = { id: frame.id, what: frame.t, gives: isRelief(frame) };
    if (!this.#hold(connection, asked, bytes)) return;
    if (frame.t === "publish") {
      const order = orderOf(connection, frame.ch);
      const run = (): Promise<void> | undefined => {
        const send = order.place();
        return this.#guarded(connection, { send, id: frame.id }, () => act(send));
      };
      return this.#count(connection, order.run(run, { isPublish: true }), bytes);
    }
    const send = directly(connection);
    const run = (): Promise<void> | undefined =>
      this.#guarded(connection, { send, id: frame.id }, () => act(send));
    const known = connection.orders?.get(frame.ch);
    if (known !== undefined)
      return this.#count(connection, known.run(run, { isPublish: false }), bytes);
    const running = run();
    if (running === undefined) return;
    const order = orderOf(connection, frame.ch);
    this.#count(
      connection,
      order.run(() => running, { isPublish: false }),
    );
  }

  /**
   * Too many requests wait: this one is refused, unless it gives something back. A connection has
   * little to give back, so these are few; a connection that sends many more ends.
   */
  #mayWait(connection: Connection, frame: ChannelFrame, max: number): boolean {
    if (!isRelief(frame)) {
      const why = `Cannot ${frame.t}: ${max} requests wait, expected fewer`;
      this.#parts.observer.requestFailed("rate_limited");
      connection.fail(frame.id, "rate_limited", why, { retryMs: 100 });
      return false;
    }
    if (connection.waiting < 2 * max) return true;
    this.#parts.sessions.end(connection, "flooded");
    return false;
  }

  /**
   * False: the request is refused, for its user or address holds as much as is still free. If it
   * gives something back, the connection ends.
   */
  #hold(
    connection: Connection,
    { id, what, gives }: { readonly id: number; readonly what: string; readonly gives?: boolean },
    bytes: number,
  ): boolean {
    const { heldBytes, observer, sessions } = this.#parts;
    if (bytes === 0 || heldBytes.charge(connection, bytes)) return true;
    observer.overShare("held");
    if (gives === true) sessions.end(connection, "flooded");
    else {
      const why = `Cannot ${what}: too many bytes wait for this user or address, expected fewer`;
      observer.requestFailed("rate_limited");
      connection.fail(id, "rate_limited", why, { retryMs: HELD_RETRY_MS });
    }
    return false;
  }

  #count(connection: Connection, running: Promise<void> | undefined, bytes = 0): void {
    if (running === undefined) return;
    connection.waiting += 1;
    void running.then(() => {
      connection.waiting -= 1;
      this.#parts.heldBytes.release(connection, bytes);
    });
  }

  #carryOut(connection: Connection, frame: ChannelFrame, send: Answer): Promise<void> | void {
    if (connection.phase === "ended") return;
    const parts = this.#parts;
    if (MAKES_KNOWN.has(frame.t)) this.#checkChannel(connection, frame);
    switch (frame.t) {
      case "unsubscribe":
        return unsubscribe(parts, connection, frame);
      case "leave":
        return leave(parts, connection, frame);
      case "unwatch":
        return unwatch(parts, connection, frame);
      case "publish":
        return publish(
          parts,
          { connection, frame, rules: rulesOf(parts, frame.ch) },
          { send, refuse: (error) => this.#refuse(send, frame.id, error) },
        );
      case "subscribe":
        return subscribe(parts, { connection, frame, rules: rulesOf(parts, frame.ch) });
      case "history":
        return readHistory(parts, { connection, frame, rules: rulesOf(parts, frame.ch) });
      case "enter":
      case "update":
        return enter(parts, { connection, frame, rules: rulesOf(parts, frame.ch) });
      case "watch":
        return watch(parts, { connection, frame, rules: rulesOf(parts, frame.ch) });
    }
  }

  /** Turns refusals and failures into answers; never throws, never rejects. */
  #guarded(
    connection: Connection,
    { send, id }: { readonly send: Answer; readonly id: number },
    act: () => Promise<void> | void,
  ): Promise<void> | undefined {
    try {
      const running = act();
      if (running === undefined) return undefined;
      const startedMs = this.#parts.clock.nowMs();
      return running.then(
        () => this.#ended(connection, startedMs),
        (error: unknown) => {
          this.#refuse(send, id, error);
          this.#ended(connection, startedMs);
        },
      );
    } catch (error) {
      this.#refuse(send, id, error);
      return undefined;
    }
  }

  /** What is answered in the turn in which it came is not slow. */
  #ended(connection: Connection, startedMs: number): void {
    const { clock, felt, settings } = this.#parts;
    if (clock.nowMs() - startedMs > settings().flow.slowMs) felt.slow(connection);
  }

  #refuse(send: Answer, id: number, error: unknown): void {
    const refused = asRefused(error);
    if (error instanceof BrokerError && error.code === "share")
      this.#parts.observer.overShare("kept");
    if (passesAfterMs(error) !== undefined) this.#parts.contexts.away("a hook", error);
    // Who refuses on purpose has told why.
    else if (refused.code === "request_failed" && refused !== error)
      this.#parts.observer.bug("request", error);
    this.#parts.observer.requestFailed(refused.code);
    send(errFrame(id, refused));
  }
}

/** 0: nothing is before it on its channel. */
function bytesToHold(connection: Connection, frame: ChannelFrame): number {
  const isPublish = frame.t === "publish";
  if (connection.orders?.get(frame.ch)?.waits({ isPublish }) !== true) return 0;
  const data = "data" in frame ? frame.data : undefined;
  return HELD_REQUEST_BYTES + (data === undefined ? 0 : lengthOf(data));
}

const directly =
  (connection: Connection): Answer =>
  (frame) =>
    connection.send(frame);

/** Made when it is first needed, and forgotten when nothing is under way. */
function orderOf(connection: Connection, channel: string): ChannelOrder {
  const known = connection.orders?.get(channel);
  if (known !== undefined) return known;
  const order = new ChannelOrder(directly(connection), () => {
    connection.orders?.delete(channel);
    // A Map that was ever filled keeps its memory.
    if (connection.orders?.size === 0) connection.orders = undefined;
  });
  connection.orders ??= new Map();
  connection.orders.set(channel, order);
  return order;
}
