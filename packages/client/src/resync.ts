// Owns: a subscription that fetches the application's state afresh after a gap.

import { guard } from "./engine/engine-context.ts";
import type { EngineCore } from "./engine/engine-core.ts";
import { HoldfastError } from "./engine/errors.ts";
import type { Gap, RawMessage } from "./engine/stream.ts";
import { type SubscribeOptions, Subscription } from "./subscription.ts";

/** Messages kept while `getState` runs; at the limit it is not waited for any longer. */
const HELD_MAX = 1_000;

/** How a subscription begins and what it does about gaps. */
export interface ResyncOptions<State = unknown> extends SubscribeOptions {
  /**
   * Fetches the application's state after a gap. Messages wait until it settles, at most
   * `requestTimeoutMs` and 1,000 messages; then `onState` gets the result, and the messages follow.
   * The state may contain some of them: apply them so that twice does no harm. When it rejects or
   * takes too long, `error` is told and the messages follow without it.
   */
  readonly getState?: (gap: Gap) => Promise<State> | State;
  readonly onState?: (state: State, gap: Gap) => void;
}

export class ResyncSubscription extends Subscription {
  readonly #resync: ResyncOptions;
  readonly #timeoutMs: number;
  #held: { readonly items: (RawMessage | Gap)[]; readonly giveUp: () => void } | undefined;

  constructor(
    engine: EngineCore,
    channel: string,
    onMessage: (message: RawMessage) => void,
    options: ResyncOptions & { readonly stateTimeoutMs: number },
  ) {
    super(engine, channel, onMessage, options);
    this.#resync = options;
    this.#timeoutMs = options.stateTimeoutMs;
  }

  protected override deliver(item: RawMessage | Gap): void {
    if (this.#held) {
      this.#held.items.push(item);
      if (this.#held.items.length >= HELD_MAX) this.#held.giveUp();
      return;
    }
    super.deliver(item);
    if ("reason" in item && this.#resync.getState) this.#fetch(item, this.#resync.getState);
  }

  #fetch(gap: Gap, getState: (gap: Gap) => unknown): void {
    const items: (RawMessage | Gap)[] = [];
    const settle = (task: () => void) => {
      cancel();
      if (this.#held?.items !== items) return;
      this.#held = undefined;
      guard(this.engine, task);
      for (const item of items) guard(this.engine, () => this.deliver(item));
    };
    const fail = (cause: unknown) =>
      settle(() =>
        this.tell(new HoldfastError("request_failed", "Cannot fetch state after a gap", { cause })),
      );
    const late = () =>
      fail(
        new HoldfastError(
          "timeout",
          `getState took longer than ${this.#timeoutMs} ms or ${HELD_MAX} messages`,
        ),
      );
    const cancel = this.engine.after(this.#timeoutMs, late);
    this.#held = { items, giveUp: late };
    const fetch = async () => getState(gap);
    fetch().then((state) => settle(() => this.#resync.onState?.(state, gap)), fail);
  }
}
