// Owns: the whole client: the core with JSON as its codec, and presence, iteration and
// resynchronisation in its channels.
import { jsonClientCodec } from "@holdfast/protocol";
import { ChannelCore } from "./channel.ts";
import { HoldfastCore } from "./core.ts";
import { Presence } from "./engine/presence.ts";
import { type IteratedMessage, MessageIterator, type MessagesOptions } from "./messages.ts";
import { type HoldfastOptions, whole } from "./options.ts";
import { PresenceHandle } from "./presence-handle.ts";
import { type ResyncOptions, ResyncSubscription } from "./resync.ts";
import type { Subscription } from "./subscription.ts";
import type { Message, Names, PresenceData, Received } from "./types.ts";

/**
 * A channel: everything of `ChannelCore`, who is there, state fetched afresh after gaps, and
 * messages as an async iterator.
 */
export class Channel<C, N extends Names<C>> extends ChannelCore<C, N> {
  readonly presence: PresenceHandle<PresenceData<C, N>>;

  constructor(
    presence: PresenceHandle<PresenceData<C, N>>,
    ...core: ConstructorParameters<typeof ChannelCore<C, N>>
  ) {
    super(...core);
    this.presence = presence;
  }

  override subscribe<State = unknown>(
    listener: (message: Message<Received<C, N>>) => void,
    options: ResyncOptions<State> = {},
  ): Subscription {
    whole("last", options.last, 1);
    const settings = {
      ...(options as ResyncOptions),
      stateTimeoutMs: this.defaults.requestTimeoutMs,
    };
    return new ResyncSubscription(
      this.engine,
      this.name,
      listener as (message: Message) => void,
      settings,
    );
  }

  /** The channel as an async iterator. Leaving the loop ends the subscription. */
  messages(
    options: MessagesOptions = {},
  ): AsyncIterableIterator<IteratedMessage<Received<C, N>>, undefined> {
    const bufferMax = whole("bufferMax", options.bufferMax, 1_000);
    return new MessageIterator(this.engine, this.name, { ...options, bufferMax });
  }
}

/**
 * A client: one session, kept over every lost connection and every deploy. `C` is the type of the
 * application's contract. Connects at once unless `autoConnect` is false. Needs a global
 * `WebSocket` or the option of that name.
 */
export class Holdfast<C = unknown> extends HoldfastCore<C> {
  readonly #presence: Presence;

  constructor(url: string | URL, options: HoldfastOptions = {}) {
    super(url, { codec: jsonClientCodec, ...options });
    this.#presence = this.engine.add((engine, settled) => new Presence(engine, settled));
  }

  override channel<N extends Names<C>>(name: N): Channel<C, N> {
    const { engine, checked } = this;
    const options = { channel: name, timeoutMs: checked.requestTimeoutMs };
    return new Channel(
      new PresenceHandle<PresenceData<C, N>>(engine, this.#presence, options),
      engine,
      name,
      checked,
    );
  }
}
