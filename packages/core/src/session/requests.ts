// Owns: carrying out the requests of open connections: order within a channel, one answer for each.
import { type HistoryNeeds, readHistory } from "../channel/history-request.ts";
import { type PublishNeeds, publish } from "../channel/publish-request.ts";
import {
  type SubscribeNeeds,
  subscribe,
  type UnsubscribeNeeds,
  unsubscribe,
} from "../channel/subscribe-request.ts";
import type { Observer } from "../observer.ts";
import {
  type EnterNeeds,
  enter,
  leave,
  type UnwatchNeeds,
  unwatch,
  type WatchNeeds,
  watch,
} from "../presence/presence-requests.ts";
import type { Connection } from "./connection.ts";
import type { ChannelFrame, RequestFrame } from "./frames.ts";
import { type RulesNeeds, rulesOf } from "./permission.ts";
import { asRefused } from "./refusal.ts";
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
  RulesNeeds & { readonly observer: Observer };

/**
 * Requests on one connection that may be under way or wait behind others on their channel, besides
 * one for each subscription and place in presence that it may have; more are refused.
 */
const WAITING_MAX = 1000;

export class Requests {
  readonly #parts: RequestNeeds;

  constructor(parts: RequestNeeds) {
    this.#parts = parts;
  }

  handle(connection: Connection, frame: RequestFrame): void {
    if (frame.t === "cancel") connection.calls?.get(frame.id)?.end("rpc_cancelled");
    else if (frame.t === "rpc")
      this.#answer(connection, frame.id, () => call(this.#parts, connection, frame));
    else this.#inOrder(connection, frame);
  }

  /**
   * Runs the request behind those that wait on the same channel. Without any it runs, and often
   * ends, within this call.
   */
  #inOrder(connection: Connection, frame: ChannelFrame): void {
    const run = (): Promise<void> | undefined =>
      this.#answer(connection, frame.id, () => this.#carryOut(connection, frame));
    const before = connection.chains?.get(frame.ch);
    const { subscriptionsMax, presencePerConnectionMax } = this.#parts.settings().limits;
    const max = WAITING_MAX + subscriptionsMax + presencePerConnectionMax;
    if (connection.waiting >= max) {
      connection.fail(
        frame.id,
        "rate_limited",
        `Cannot ${frame.t}: ${max} requests wait, expected fewer`,
        { retryMs: 100 },
      );
    } else if (before === undefined) {
      const running = run();
      if (running !== undefined) chain(connection, frame.ch, running);
    } else chain(connection, frame.ch, before.then(run));
  }

  #carryOut(connection: Connection, frame: ChannelFrame): Promise<void> | void {
    if (connection.phase === "ended") return;
    const parts = this.#parts;
    switch (frame.t) {
      case "unsubscribe":
        return unsubscribe(parts, connection, frame);
      case "leave":
        return leave(parts, connection, frame);
      case "unwatch":
        return unwatch(parts, connection, frame);
      case "publish":
        return publish(parts, { connection, frame, rules: rulesOf(parts, frame.ch) }, (error) =>
          this.#refuse(connection, frame.id, error),
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
  #answer(
    connection: Connection,
    id: number,
    act: () => Promise<void> | void,
  ): Promise<void> | undefined {
    try {
      return act()?.catch((error: unknown) => this.#refuse(connection, id, error));
    } catch (error) {
      this.#refuse(connection, id, error);
      return undefined;
    }
  }

  #refuse(connection: Connection, id: number, error: unknown): void {
    const { code, message, path, retryMs } = asRefused(error);
    if (code === "request_failed") this.#parts.observer.bug("request", error);
    this.#parts.observer.requestFailed(code);
    connection.fail(id, code, message, {
      ...(path === undefined ? {} : { path }),
      ...(retryMs === undefined ? {} : { retryMs }),
    });
  }
}

function chain(connection: Connection, channel: string, running: Promise<void>): void {
  connection.chains ??= new Map();
  connection.waiting += 1;
  const tail: Promise<void> = running.finally(() => {
    connection.waiting -= 1;
    if (connection.chains?.get(channel) === tail) connection.chains.delete(channel);
    // A Map that was ever filled keeps its memory.
    if (connection.chains?.size === 0) connection.chains = undefined;
  });
  connection.chains.set(channel, tail);
}
