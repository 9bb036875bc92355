// Owns: what the React hooks show, as stores outside React: they live while something is
// subscribed, and a second mount finds them anew.
import type { Channel, Gap, HoldfastError, Member, Message, Subscription } from "@holdfast/client";

/** What `useChannel` shows. `ready`: the node has the subscription and the history is in. */
export interface ChannelView<T> {
  readonly messages: readonly Message<T>[];
  readonly ready: boolean;
  readonly gap?: Gap;
  readonly error?: HoldfastError;
}

/** What `useLatest` shows. Keys are in the order of their newest message. */
export interface LatestView<T> extends Omit<ChannelView<T>, "messages"> {
  readonly latest: ReadonlyMap<string, Message<T>>;
}

/** Before the history is read again after a refusal for the moment: this, doubled each time. */
const HISTORY_RETRY_MS = 1_000;
const HISTORY_RETRY_DOUBLES_MAX = 5;

type AnyChannel = Pick<Channel<unknown, string>, "subscribe" | "history">;

/**
 * A channel's newest messages. Subscribed while it has listeners; history and the live stream are
 * joined by offset within the epoch.
 */
export class ChannelStore<T> {
  readonly #channel: AnyChannel;
  readonly #options: { readonly limit: number; readonly history: number; readonly byKey: boolean };
  readonly #listeners = new Set<() => void>();
  readonly #empty: ChannelView<T> = { messages: [], ready: false };
  readonly #emptyLatest: LatestView<T> = { latest: new Map(), ready: false };
  #view: ChannelView<T> = this.#empty;
  #latest: { readonly of: ChannelView<T>; readonly view: LatestView<T> } = {
    of: this.#empty,
    view: this.#emptyLatest,
  };
  #running: { readonly subscription: Subscription; readonly abort: AbortController } | undefined;

  constructor(
    channel: unknown,
    options: { readonly limit: number; readonly history: number; readonly byKey: boolean },
  ) {
    // The hooks know the contract's types; the store only moves messages.
    this.#channel = channel as AnyChannel;
    this.#options = options;
  }

  readonly view = (): ChannelView<T> => this.#view;
  readonly serverView = (): ChannelView<T> => this.#empty;
  readonly latestServerView = (): LatestView<T> => this.#emptyLatest;

  readonly latestView = (): LatestView<T> => {
    if (this.#latest.of !== this.#view) {
      const { messages, ...rest } = this.#view;
      this.#latest = {
        of: this.#view,
        view: { ...rest, latest: new Map(messages.map((message) => [message.key ?? "", message])) },
      };
    }
    return this.#latest.view;
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (!this.#running) this.#start();
    return () => {
      this.#listeners.delete(listener);
      // At the end of the turn: StrictMode unmounts and mounts in one.
      queueMicrotask(() => this.#listeners.size === 0 && this.#stop());
    };
  };

  #start(): void {
    const abort = new AbortController();
    const subscription = this.#channel.subscribe((message) => this.#add([message as Message<T>]));
    this.#running = { subscription, abort };
    subscription.on("gap", (gap) => this.#show({ gap }));
    subscription.on("error", (error) => this.#show({ error }));
    // The node has the subscription, perhaps after it had refused it: what was wrong has passed.
    subscription.on("recovered", () => this.#passed());
    subscription.on("ready", () => this.#loadHistory(abort.signal, 0));
  }

  /** Reads the history, again and again if it is refused for the moment. */
  #loadHistory(signal: AbortSignal, tries: number): void {
    const { history } = this.#options;
    if (history === 0 || this.#view.ready) {
      this.#passed({ ready: true });
      return;
    }
    this.#passed();
    this.#channel.history({ limit: history, signal }).then(
      (page) => {
        this.#add(page.messages as readonly Message<T>[], page.epoch);
        if (!signal.aborted) this.#passed({ ready: true });
      },
      (error: HoldfastError) => {
        if (signal.aborted) return;
        this.#show({ error });
        if (error.retry !== "backoff") return;
        const spreadMs = HISTORY_RETRY_MS * 2 ** Math.min(tries, HISTORY_RETRY_DOUBLES_MAX);
        const delayMs = (error.retryAfterMs ?? 0) + spreadMs * (0.5 + Math.random() / 2);
        const timer = setTimeout(() => this.#loadHistory(signal, tries + 1), delayMs);
        signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
      },
    );
  }

  #stop(): void {
    this.#running?.subscription.unsubscribe();
    this.#running?.abort.abort();
    this.#running = undefined;
    this.#view = this.#empty;
  }

  /** The cause of the error that is shown has passed. */
  #passed(change: { readonly ready?: true } = {}): void {
    const { error, ...rest } = this.#view;
    if (!error && (change.ready ?? rest.ready) === rest.ready) return;
    this.#view = rest;
    this.#show(change);
  }

  /** Messages of an older epoch than the live stream's are left out of a page. */
  #add(added: readonly Message<T>[], pageEpoch?: string): void {
    const { messages } = this.#view;
    const live = messages.at(-1)?.epoch;
    if (added.length === 0 || (pageEpoch !== undefined && live !== undefined && live !== pageEpoch))
      return;
    this.#show({
      messages:
        pageEpoch === undefined ? this.#append(messages, added) : this.#merge(messages, added),
    });
  }

  #append(messages: readonly Message<T>[], added: readonly Message<T>[]): readonly Message<T>[] {
    const { limit, byKey } = this.#options;
    const keys = new Set(added.map(({ key }) => key));
    const kept = byKey ? messages.filter(({ key }) => !keys.has(key)) : messages;
    return [...kept, ...added].slice(-limit);
  }

  #merge(messages: readonly Message<T>[], page: readonly Message<T>[]): readonly Message<T>[] {
    const { limit, byKey } = this.#options;
    const all = new Map<unknown, Message<T>>();
    for (const message of [...page, ...messages].sort((a, b) => a.offset - b.offset)) {
      const name = byKey ? message.key : message.offset;
      all.delete(name);
      all.set(name, message);
    }
    return [...all.values()].slice(-limit);
  }

  #show(change: Partial<ChannelView<T>>): void {
    if (!this.#running) return;
    this.#view = { ...this.#view, ...change };
    for (const listener of [...this.#listeners]) listener();
  }
}

interface AnyPresence {
  members(): readonly Member[];
  on(name: "change" | "error", listener: () => void): () => void;
  enter(data: unknown): Promise<void>;
  leave(): Promise<void>;
}

/**
 * A channel's members, watched while it has listeners, and one wish of being a member: the client
 * counts those of all components.
 */
export class PresenceStore<T> {
  readonly #presence: AnyPresence;
  readonly #report: (error: unknown) => void;
  readonly #listeners = new Set<() => void>();
  readonly #empty: readonly Member<T>[] = [];
  #members = this.#empty;
  #stopWatch: (() => void) | undefined;

  /** `report` gets what the node refuses. */
  constructor(presence: unknown, report: (error: unknown) => void) {
    // The hooks know the contract's types; the store only passes members on.
    this.#presence = presence as AnyPresence;
    this.#report = report;
  }

  readonly view = (): readonly Member<T>[] => this.#members;
  readonly serverView = (): readonly Member<T>[] => this.#empty;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    this.#stopWatch ??= this.#watch();
    return () => {
      this.#listeners.delete(listener);
      queueMicrotask(() => this.#listeners.size === 0 && this.#stop());
    };
  };

  enter(data: T): void {
    this.#presence.enter(data).catch(this.#report);
  }

  /**
   * The client tells its node at the end of the turn what has changed in it. StrictMode, a key that
   * changes and a route that changes unmount and mount in one turn, and nobody sees that.
   */
  leave(): void {
    this.#presence.leave().catch(this.#report);
  }

  #stop(): void {
    this.#stopWatch?.();
    this.#stopWatch = undefined;
    this.#members = this.#empty;
  }

  #watch(): () => void {
    const take = () => {
      this.#take();
      for (const listener of [...this.#listeners]) listener();
    };
    const stops = [
      this.#presence.on("change", take),
      // Refused (which `change` reports): nobody is seen any more.
      this.#presence.on("error", take),
    ];
    // Another component may watch already: then the members are known.
    this.#take();
    return () => {
      for (const stop of stops) stop();
    };
  }

  #take(): void {
    this.#members = this.#presence.members() as readonly Member<T>[];
  }
}
