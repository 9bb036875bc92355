// Owns: a channel as the application uses it: subscribe, publish, history.
import type { Position } from "@holdfast/protocol";
import { defined } from "./engine/engine-context.ts";
import type { EngineCore } from "./engine/engine-core.ts";
import { cannot, HoldfastError } from "./engine/errors.ts";
import { messageOf } from "./engine/stream.ts";
import { whole } from "./options.ts";
import { pending } from "./pending.ts";
import { type SubscribeOptions, Subscription } from "./subscription.ts";
import type { Message, Names, Published, Received } from "./types.ts";

/** How one publication is made and how long `publish` waits for its acknowledgement. */
export interface ChannelPublishOptions {
  /**
   * Only in `latest` channels, and needed there: which publication this one replaces. At most 128
   * characters.
   */
  readonly key?: string;
  /**
   * Your own idempotency key, to repeat a publish of an earlier page or process. At most 128
   * characters.
   */
  readonly idempotencyKey?: string;
  /** Default `publishTimeoutMs`. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /**
   * False, for cursors and the like: it neither waits for earlier publishes of this channel nor
   * keeps later ones waiting. Default true.
   */
  readonly ordered?: boolean;
}

/**
 * The place of an acknowledged publication in its channel: the broker has it, and subscribers of
 * that epoch get it at this offset.
 */
export interface Acknowledged extends Position {
  /** An earlier sending with the same idempotency key had arrived already. */
  readonly duplicate: boolean;
}

/** Which page of a channel's history is read. Pages are oldest first. */
export interface HistoryOptions {
  /** Default 50, at most 1,000. The node may give fewer. */
  readonly limit?: number;
  /** Only offsets below. Default: the newest. */
  readonly before?: number;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** Oldest first. `more`: older ones are kept; ask again with `before` = the first one's offset. */
export interface HistoryPage<T> {
  readonly messages: readonly Message<T>[];
  readonly epoch: string;
  readonly more: boolean;
}

/**
 * Holds no state of its own: any number of handles of one channel share one subscription on the
 * wire.
 */
export class ChannelCore<C, N extends Names<C>> {
  readonly name: N;
  /** For subclasses. */
  protected readonly engine: EngineCore;
  protected readonly defaults: {
    readonly requestTimeoutMs: number;
    readonly publishTimeoutMs: number;
  };

  constructor(
    engine: EngineCore,
    name: N,
    defaults: { readonly requestTimeoutMs: number; readonly publishTimeoutMs: number },
  ) {
    if (typeof name !== "string" || name === "" || name.length > 255)
      throw cannot(
        "channel_invalid",
        `use the channel ${JSON.stringify(name)}`,
        "expected 1 to 255 characters",
      );
    this.name = name;
    this.engine = engine;
    this.defaults = defaults;
  }

  /**
   * Delivers each publication once, in order, over every reconnect and move; where that cannot be
   * kept, `gap` is told first.
   * A further subscription to the same channel shares the first one's stream and gets what comes
   * from then on.
   */
  subscribe(
    listener: (message: Message<Received<C, N>>) => void,
    options: SubscribeOptions = {},
  ): Subscription {
    whole("last", options.last, 1);
    // The node checked the data against the contract's schema, which is where the type comes from.
    return new Subscription(
      this.engine,
      this.name,
      listener as (message: Message) => void,
      options,
    );
  }

  /**
   * Resolves when the broker has it (H3). Without a connection it waits, up to the limits
   * `queueMax`; after a lost connection it is sent again with the same idempotency key. Publishes
   * to one channel arrive in the order of the calls. After `timeout`, `aborted` or
   * `connection_lost` it may have been published all the same.
   */
  publish(data: Published<C, N>, options: ChannelPublishOptions = {}): Promise<Acknowledged> {
    const { key, idempotencyKey, ordered = true, signal } = options;
    const timeoutMs = whole("timeoutMs", options.timeoutMs, this.defaults.publishTimeoutMs);
    const details = defined({ timeoutMs, ordered, key, idempotencyKey });
    return pending(signal, (done) =>
      this.engine.publisher.publish(this.name, data, details, (result) =>
        done(
          result instanceof HoldfastError
            ? result
            : { ...result.position, duplicate: result.duplicate },
        ),
      ),
    );
  }

  /** A page of what the broker keeps. For `latest` channels: the newest of each key. */
  history(options: HistoryOptions = {}): Promise<HistoryPage<Received<C, N>>> {
    const { limit, before, signal } = options;
    whole("limit", limit, 50);
    const timeoutMs = whole("timeoutMs", options.timeoutMs, this.defaults.requestTimeoutMs);
    const call = { timeoutMs, repeatable: true, name: `read the history of ${this.name}` };
    return pending(signal, (done) =>
      this.engine.calls.start(
        { t: "history", ch: this.name, ...defined({ limit, before }) },
        call,
        (answer) => {
          if (answer instanceof HoldfastError) done(answer);
          else if (answer.t === "history")
            done({
              messages: answer.pubs.map(
                (entry) => messageOf(this.name, answer.e, entry) as Message<Received<C, N>>,
              ),
              epoch: answer.e,
              more: answer.more,
            });
          else done(cannot("internal", call.name, `the node answered ${answer.t}`));
        },
      ),
    );
  }
}
