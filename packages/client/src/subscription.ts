// Owns: one subscription of the application: its events and its end.
import type { Position } from "@holdfast/protocol";
import { Emitter } from "./emitter.ts";
import { defined } from "./engine/engine-context.ts";
import type { EngineCore } from "./engine/engine-core.ts";
import { cannot, HoldfastError } from "./engine/errors.ts";
import type { Gap, RawMessage, Recovered, StreamListener } from "./engine/stream.ts";
import { onAbort } from "./pending.ts";

/** How a subscription begins. */
export interface SubscribeOptions {
  /**
   * Continue behind this position. Only if the client has no subscription to the channel yet;
   * otherwise `subscribe` throws `already_subscribed`.
   */
  readonly since?: Position;
  /** Begin with at most this many publications before the head. Same rule. */
  readonly last?: number;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
}

/** The events of a subscription, for `on` and `off`. */
export interface SubscriptionEvents {
  /** Publications that will not come; told before anything newer. */
  gap: (gap: Gap) => void;
  /**
   * The node has the subscription; told again after each refusal. `position`: see
   * `Subscription.ready`.
   */
  ready: (position: Position) => void;
  /**
   * The node refused the subscription, or ended it, or `getState` failed. If `error.retry` is
   * `backoff`, the client asks again soon. If a refusal is `never`, it asks again on the next
   * connection, whose node may know another contract or token, until `unsubscribe`.
   */
  error: (error: HoldfastError) => void;
  /** Caught up after a reconnect. */
  recovered: (recovered: Recovered) => void;
}

/**
 * A subscription lives until `unsubscribe`, its signal, or an error that ends it; connections come
 * and go beneath it.
 */
export class Subscription {
  /**
   * Resolves when the node has the subscription, with the position behind which the stream
   * continues. If a gap is declared, this position differs from `since`. Rejects if the
   * subscription is refused or ended before.
   */
  readonly ready: Promise<Position>;
  readonly #events: Emitter<SubscriptionEvents>;
  /** For subclasses. */
  protected readonly engine: EngineCore;
  readonly #onMessage: (message: RawMessage) => void;
  readonly #leave: () => void;
  #over = false;
  #fail: (error: HoldfastError) => void = () => {};
  #stopSignal: () => void = () => {};

  constructor(
    engine: EngineCore,
    channel: string,
    onMessage: (message: RawMessage) => void,
    options: SubscribeOptions,
  ) {
    const { since, last } = options;
    if ((since || last !== undefined) && engine.subscriptions.has(channel)) {
      throw cannot(
        "already_subscribed",
        `choose where to begin in ${channel}`,
        "it has a subscription already; use history()",
      );
    }
    this.engine = engine;
    this.#onMessage = onMessage;
    this.#events = new Emitter((error) => engine.report(error));
    let succeed: (position: Position) => void = () => {};
    this.ready = new Promise((resolve, reject) => {
      succeed = resolve;
      this.#fail = reject;
    });
    // Whoever does not look at `ready` hears of it through `error`.
    this.ready.catch(() => {});
    const start = defined({ since, last });
    this.#leave = engine.subscriptions.subscribe(channel, this.#listener(succeed), start);
    this.#stopSignal = onAbort(options.signal, (error) => this.#end(error));
  }

  /** Returns what removes the listener. */
  on<Name extends keyof SubscriptionEvents>(
    name: Name,
    listener: SubscriptionEvents[Name],
  ): () => void {
    return this.#events.on(name, listener);
  }

  /** Ends the subscription at once: nothing is delivered after this. Again: does nothing. */
  unsubscribe(): void {
    this.#end(new HoldfastError("aborted", "Unsubscribed"));
  }

  #end(error: HoldfastError): void {
    if (this.#over) return;
    this.#over = true;
    this.#leave();
    this.#stopSignal();
    this.#fail(error);
  }

  #listener(ready: (position: Position) => void): StreamListener {
    return {
      message: (message) => this.deliver(message),
      gap: (gap) => this.deliver(gap),
      ready: (position) => {
        ready(position);
        this.#events.emit("ready", position);
      },
      recovered: (recovered) => !this.#over && this.#events.emit("recovered", recovered),
      error: (error, ended) => {
        if (this.#over) return;
        this.tell(error);
        if (ended) this.#end(error);
        else if (error.retry === "never") this.#fail(error);
      },
    };
  }

  /** Hands a message or a gap to the application. */
  protected deliver(item: RawMessage | Gap): void {
    if (this.#over) return;
    if ("reason" in item) this.#events.emit("gap", item);
    else this.#onMessage(item);
  }

  protected tell(error: HoldfastError): void {
    // Closing on purpose is nothing to report.
    if (this.#events.emit("error", error) === 0 && error.code !== "closed")
      this.engine.report(error);
  }
}
