// Owns: who is in the channels that the application watches, over every connection (H7).
import type { MembersFrame, PresenceFrame } from "@holdfast/protocol";
import { repeatLater } from "./backoff.ts";
import { type EngineContext, guard } from "./engine-context.ts";
import { errorFromWire, type HoldfastError } from "./errors.ts";
import {
  isEmpty,
  type MembersChange,
  memberOf,
  membersAfter,
  membersBetween,
  type RawMember,
} from "./members.ts";
import type { PresenceOnConnection, WatchOnConnection } from "./presence-on-connection.ts";

/** What the engine tells the owner of a watch. It is called in the order in which frames arrive. */
export interface PresenceListener {
  /** Never empty. The first one holds everybody as `join`, and so does the first after an error. */
  change(change: MembersChange, members: readonly RawMember[]): void;
  /** The snapshot is complete; members are known. Again after a refusal. */
  ready(members: readonly RawMember[]): void;
  /**
   * The node refused the watch for good: the next connection's node is asked again. Or the client
   * ended.
   */
  error(error: HoldfastError): void;
}

interface Watch {
  readonly channel: string;
  /** With what each was told last: `ready`, or the code of an error. */
  readonly watchers: Map<PresenceListener, string | undefined>;
  members: ReadonlyMap<string, RawMember>;
}

/** Watches of a client on its connections. */
export class Watches {
  readonly #engine: EngineContext;
  readonly #settled: () => void;
  /** Connections, the newest last. */
  readonly #attachments: readonly PresenceOnConnection[];
  readonly #watches = new Map<string, Watch>();

  /** `settled` is called whenever a watch became live or was refused. */
  constructor(
    engine: EngineContext,
    attachments: readonly PresenceOnConnection[],
    settled: () => void,
  ) {
    this.#engine = engine;
    this.#attachments = attachments;
    this.#settled = settled;
  }

  /** Members as far as they are known: empty unless something watches. */
  members(channel: string): readonly RawMember[] {
    return [...(this.#watches.get(channel)?.members.values() ?? [])];
  }

  /**
   * The first watcher of a channel starts the watch, and a further one of a channel that was
   * refused asks for it again. The result removes it; the last one ends it.
   */
  watch(channel: string, listener: PresenceListener): () => void {
    const { final } = this.#engine;
    if (final) {
      this.#engine.defer(() => guard(this.#engine, () => listener.error(final)));
      return () => {};
    }
    const known = this.#watches.get(channel);
    const watch: Watch = known ?? { channel, watchers: new Map(), members: new Map() };
    this.#watches.set(channel, watch);
    watch.watchers.set(listener, undefined);
    for (const attachment of this.#attachments) {
      const state = attachment.watches.get(channel)?.state;
      if (state === undefined || state === "refused") this.#request(attachment, watch);
      else if (state === "live") this.#engine.defer(() => this.#tellReady(watch));
    }
    return () => {
      if (!watch.watchers.delete(listener) || watch.watchers.size > 0) return;
      this.#watches.delete(channel);
      for (const attachment of this.#attachments) {
        const state = attachment.watches.get(channel)?.state;
        attachment.watches.delete(channel);
        if (state && state !== "refused") this.#unwatch(attachment, channel);
      }
    };
  }

  attached(attachment: PresenceOnConnection): void {
    for (const watch of this.#watches.values()) this.#request(attachment, watch);
  }

  /** Whether every snapshot came on the connection, or its node refused the watch for good. */
  isSettled({ watches }: PresenceOnConnection): boolean {
    for (const channel of this.#watches.keys())
      if (watches.get(channel)?.state === "requested") return false;
    return true;
  }

  onFrame(
    attachment: PresenceOnConnection,
    frame: MembersFrame<unknown> | PresenceFrame<unknown>,
  ): void {
    const watch = this.#watches.get(frame.ch);
    const here = attachment.watches.get(frame.ch);
    if (!watch || !here || here.state === "refused") return;
    if (frame.t === "members") {
      for (const entry of frame.list) here.incoming.set(entry.m, memberOf(entry));
      if (frame.more) return;
      here.state = "live";
      if (this.#leads(attachment, watch)) this.#replace(watch, here.incoming);
      here.incoming = new Map();
      this.#tellReady(watch);
      this.#settled();
    } else if (here.state === "requested") here.incoming = membersAfter(here.incoming, frame);
    else if (this.#leads(attachment, watch))
      this.#replace(watch, membersAfter(watch.members, frame));
  }

  /** The node ended it, or the client ended. */
  end(channel: string, error: HoldfastError): void {
    const watch = this.#watches.get(channel);
    if (!watch) return;
    this.#watches.delete(channel);
    for (const { watches } of this.#attachments) watches.delete(channel);
    this.#tellError(watch, error);
    watch.watchers.clear();
  }

  endAll(error: HoldfastError): void {
    for (const channel of [...this.#watches.keys()]) this.end(channel, error);
  }

  #request(attachment: PresenceOnConnection, watch: Watch, tries = 0): void {
    const { connection, watches } = attachment;
    const { channel } = watch;
    const here: WatchOnConnection = { state: "requested", tries, incoming: new Map() };
    watches.set(channel, here);
    connection.request({ t: "watch", ch: channel }, (answer) => {
      if (answer?.t !== "err" || watches.get(channel) !== here) return;
      const error = errorFromWire(answer);
      const { retry, retryAfterMs } = error;
      const isOver = retry === "never";
      if (isOver) this.#refuse(watch, error);
      if (!isOver || retryAfterMs)
        repeatLater(this.#engine, { tries, retryAfterMs }, () => {
          if (watches.get(channel) === here) this.#request(attachment, watch, tries + 1);
        });
    });
  }

  /** The node of one connection does not allow it, so no other connection goes on with it. */
  #refuse(watch: Watch, error: HoldfastError): void {
    for (const attachment of this.#attachments) {
      const here = attachment.watches.get(watch.channel);
      if (here?.state === "live") this.#unwatch(attachment, watch.channel);
      if (here) here.state = "refused";
    }
    watch.members = new Map();
    this.#tellError(watch, error);
    this.#settled();
  }

  /** Repeated while the node refuses it for the moment, until the channel is watched again. */
  #unwatch(attachment: PresenceOnConnection, ch: string, tries = 0): void {
    const { connection, watches } = attachment;
    connection.request({ t: "unwatch", ch }, (answer) => {
      const { retry, retryAfterMs } = answer?.t === "err" ? errorFromWire(answer) : {};
      if (retry !== "backoff") return;
      repeatLater(this.#engine, { tries, retryAfterMs }, () => {
        if (!connection.ended && !watches.has(ch)) this.#unwatch(attachment, ch, tries + 1);
      });
    });
  }

  #replace(watch: Watch, members: ReadonlyMap<string, RawMember>): void {
    const change = membersBetween(watch.members, members);
    watch.members = members;
    if (isEmpty(change)) return;
    const list = [...members.values()];
    for (const watcher of [...watch.watchers.keys()])
      guard(this.#engine, () => watcher.change(change, list));
  }

  #tellReady(watch: Watch): void {
    const list = [...watch.members.values()];
    this.#tellNews(watch, "ready", (watcher) => watcher.ready(list));
  }

  #tellError(watch: Watch, error: HoldfastError): void {
    this.#tellNews(watch, error.code, (watcher) => watcher.error(error));
  }

  /** Tells those that were not told the same last. */
  #tellNews({ watchers }: Watch, news: string, task: (watcher: PresenceListener) => void): void {
    for (const [watcher, told] of [...watchers]) {
      if (told === news) continue;
      watchers.set(watcher, news);
      guard(this.#engine, () => task(watcher));
    }
  }

  /**
   * Only the newest connection with a snapshot tells who is there: an older one may lag behind it.
   */
  #leads(attachment: PresenceOnConnection, { channel }: Watch): boolean {
    const live = ({ watches }: PresenceOnConnection) => watches.get(channel)?.state === "live";
    return this.#attachments.findLast(live) === attachment;
  }
}
