// Owns: one subscription of the application: its events, its end, and fetching state afresh after a gap.
import type { Position } from "@holdfast/protocol";
import { Emitter } from "./emitter.ts";
import type { EngineCore } from "./engine/engine-core.ts";
import { HoldfastError } from "./engine/errors.ts";
import { defined, guard } from "./engine/host.ts";
import type { Gap, RawMessage, Recovered, StreamListener } from "./engine/stream.ts";
import { onAbort } from "./pending.ts";

/** Messages kept while `getState` runs; at the limit it is not waited for any longer. */
const HELD_MAX = 1_000;

/** How a subscription begins and what it does about gaps. */
export interface SubscribeOptions<State = unknown> {
  /** Go on behind this position. Only where the client has no subscription to the channel yet; otherwise `subscribe` throws `already_subscribed`. */
  readonly since?: Position;
  /** Begin with at most this many publications before the head. Same rule. */
  readonly last?: number;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
  /**
   * Fetches the application's state after a gap. Messages wait until it settles, at most `requestTimeoutMs` and 1,000 messages; then
   * `onState` gets the result, and the messages follow. The state may contain some of them: apply them so that twice does no harm.
   * When it rejects or takes too long, `error` is told and the messages follow without it.
   */
  readonly getState?: (gap: Gap) => Promise<State> | State;
  readonly onState?: (state: State, gap: Gap) => void;
}

export interface SubscriptionEvents {
  /** Publications that will not come; told before anything newer. */
  gap: (gap: Gap) => void;
  /** The node refused or ended the subscription (then it is over, unless `error.retry` is `backoff`), or `getState` failed. */
  error: (error: HoldfastError) => void;
  /** Caught up after a reconnect. */
  recovered: (recovered: Recovered) => void;
}

/** A subscription lives until `unsubscribe`, its signal, or an error that ends it; connections come and go beneath it. */
export class Subscription {
  /** Resolves with the position at which the stream goes on, when the node has the subscription. Rejects when it is refused or ended before. */
  readonly ready: Promise<Position>;
  readonly #events: Emitter<SubscriptionEvents>;
  readonly #engine: EngineCore;
  readonly #options: SubscribeOptions & { readonly stateTimeoutMs: number };
  readonly #onMessage: (message: RawMessage) => void;
  readonly #leave: () => void;
  #over = false;
  #held: { readonly items: (RawMessage | Gap)[]; readonly full: () => void } | undefined;
  #fail: (error: HoldfastError) => void = () => {};
  #stopSignal: () => void = () => {};

  constructor(
    engine: EngineCore,
    channel: string,
    onMessage: (message: RawMessage) => void,
    options: SubscribeOptions & { readonly stateTimeoutMs: number },
  ) {
    const { since, last } = options;
    if ((since || last !== undefined) && engine.subscriptions.has(channel)) {
      const text = `Cannot choose where to begin in ${channel}: it has a subscription already, expected none (or use history())`;
      throw new HoldfastError("already_subscribed", text);
    }
    this.#engine = engine;
    this.#options = options;
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
  on<Name extends keyof SubscriptionEvents>(name: Name, listener: SubscriptionEvents[Name]): () => void {
    return this.#events.on(name, listener);
  }

  /** Ends the subscription at once: nothing is delivered after this. Again: does nothing. */
  unsubscribe(): void {
    this.#end(new HoldfastError("aborted", "Unsubscribed before the node had the subscription"));
  }

  #end(error: HoldfastError): void {
    if (this.#over) return;
    this.#over = true;
    this.#held = undefined;
    this.#leave();
    this.#stopSignal();
    this.#fail(error);
  }

  #listener(ready: (position: Position) => void): StreamListener {
    return {
      message: (message) => this.#deliver(message),
      gap: (gap) => this.#deliver(gap),
      ready,
      recovered: (recovered) => !this.#over && this.#events.emit("recovered", recovered),
      error: (error, ended) => {
        if (this.#over) return;
        this.#tell(error);
        if (ended) this.#end(error);
      },
    };
  }

  #deliver(item: RawMessage | Gap): void {
    if (this.#over) return;
    if (this.#held) {
      this.#held.items.push(item);
      if (this.#held.items.length >= HELD_MAX) this.#held.full();
    } else if ("reason" in item) this.#onGap(item);
    else this.#onMessage(item);
  }

  #onGap(gap: Gap): void {
    this.#events.emit("gap", gap);
    const { getState, onState, stateTimeoutMs } = this.#options;
    if (!getState || this.#over) return;
    const items: (RawMessage | Gap)[] = [];
    const settle = (task: () => void) => {
      cancel();
      if (this.#held?.items !== items) return;
      this.#held = undefined;
      task();
      for (const item of items) this.#deliver(item);
    };
    const fail = (cause: unknown) =>
      settle(() => this.#tell(new HoldfastError("request_failed", "Cannot fetch state after a gap", { cause })));
    const late = () => fail(new HoldfastError("timeout", `getState took longer than ${stateTimeoutMs} ms or ${HELD_MAX} messages`));
    const cancel = this.#engine.environment.clock.after(stateTimeoutMs, late);
    this.#held = { items, full: late };
    const fetch = async () => getState(gap);
    fetch().then((state) => settle(() => guard(this.#engine, () => onState?.(state, gap))), fail);
  }

  #tell(error: HoldfastError): void {
    if (this.#events.emit("error", error) === 0) this.#engine.report(error);
  }
}
