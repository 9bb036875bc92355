// Owns: presence of every channel: what this session entered with, who is watched, and keeping both
// over connections (H7).
import { dataCopy, type ServerFrame } from "@holdfast/protocol";
import { requestDelayMs } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import { defined, type EngineContext, type Feature, guard } from "./engine-context.ts";
import { dataError, errorFromWire, HoldfastError } from "./errors.ts";
import {
  isEmpty,
  type MembersChange,
  memberOf,
  membersAfter,
  membersBetween,
  type RawMember,
} from "./members.ts";

/** Callers of `enter`, `update` and `leave` that may wait in one channel. */
const WAITING_MAX = 1_000;

export interface PresenceListener {
  /** Never empty. The first one holds everybody as `join`. */
  change(change: MembersChange, members: readonly RawMember[]): void;
  /** The snapshot is complete; members are known. Once. */
  ready(members: readonly RawMember[]): void;
  /** The node refused the watch; nothing more will come. */
  error(error: HoldfastError): void;
}

type Done = (error: HoldfastError | undefined) => void;

interface ChannelPresence {
  readonly channel: string;
  /** What the application wants to be in the channel as; absent: not a member. */
  wanted?: { readonly data: unknown };
  /** Counts the changes of `wanted`. */
  version: number;
  waiting: { readonly version: number; readonly done: Done }[];
  readonly watchers: Map<PresenceListener, { ready: boolean }>;
  members: ReadonlyMap<string, RawMember>;
}

/** What one connection was told, and has told, of the presence in one channel. */
interface PresenceOnConnection {
  /** Version of `wanted` that was sent last; 0: none. */
  sent: number;
  busy: boolean;
  entered: boolean;
  tries: number;
  watch: "none" | "requested" | "live";
  incoming: Map<string, RawMember>;
}

interface Attachment {
  readonly connection: Connection;
  readonly onConnection: Map<string, PresenceOnConnection>;
}

const newPresenceOnConnection = (): PresenceOnConnection => ({
  sent: 0,
  busy: false,
  entered: false,
  tries: 0,
  watch: "none",
  incoming: new Map(),
});

/** Presence of a client. `attach` a connection when it opens; `detach` it when it ends. */
export class Presence implements Feature {
  readonly #engine: EngineContext;
  readonly #settled: () => void;
  readonly #channels = new Map<string, ChannelPresence>();
  #attachments: readonly Attachment[] = [];

  /**
   * `settled` is called whenever a watch became live or a change of this session's entry was
   * answered.
   */
  constructor(engine: EngineContext, settled: () => void) {
    this.#engine = engine;
    this.#settled = settled;
  }

  /**
   * Makes this session a member with this data, from now until `leave`, on every connection.
   * Changes that come faster than answers are merged; `done` when the node has this or a newer one.
   */
  enter(channel: string, data: unknown, done: Done): void {
    this.#change(channel, { data }, done);
  }

  /** The same for a session that has entered. */
  update(channel: string, data: unknown, done: Done): void {
    if (this.#channels.get(channel)?.wanted) this.#change(channel, { data }, done);
    else
      done(
        new HoldfastError(
          "not_entered",
          `Cannot update presence in ${channel}: not entered, expected enter() first`,
        ),
      );
  }

  /**
   * Without a connection there is nothing to tell: the node ends the membership after its grace
   * time.
   */
  leave(channel: string, done: Done): void {
    const presence = this.#channels.get(channel);
    if (presence?.wanted && this.#engine.ready()) this.#change(channel, undefined, done);
    else {
      if (presence) {
        delete presence.wanted;
        presence.version++;
        this.#settle(presence, undefined);
        this.#forget(presence);
      }
      done(undefined);
    }
  }

  /** Members as far as they are known: empty unless something watches. */
  members(channel: string): readonly RawMember[] {
    return [...(this.#channels.get(channel)?.members.values() ?? [])];
  }

  /**
   * The first watcher of a channel starts the watch. The result removes it; the last one ends it.
   */
  watch(channel: string, listener: PresenceListener): () => void {
    const { final } = this.#engine;
    if (final) {
      this.#engine.defer(() => guard(this.#engine, () => listener.error(final)));
      return () => {};
    }
    const presence = this.#presenceIn(channel);
    presence.watchers.set(listener, { ready: false });
    for (const { connection, onConnection } of this.#attachments)
      this.#requestWatch(connection, onConnection, presence);
    if (this.#attachments.some(({ onConnection }) => onConnection.get(channel)?.watch === "live"))
      this.#engine.defer(() => this.#tellReady(presence));
    return () => {
      if (!presence.watchers.delete(listener) || presence.watchers.size > 0) return;
      this.#endWatch(presence);
    };
  }

  attach(connection: Connection): void {
    const onConnection = new Map<string, PresenceOnConnection>();
    this.#attachments = [...this.#attachments, { connection, onConnection }];
    for (const presence of this.#channels.values()) {
      this.#sendWanted(connection, onConnection, presence);
      this.#requestWatch(connection, onConnection, presence);
    }
  }

  detach(connection: Connection): void {
    const place = this.#attachments.findIndex((other) => other.connection === connection);
    if (place < 0) return;
    this.#attachments = this.#attachments.filter((other) => other.connection !== connection);
    const newest = this.#attachments.at(-1);
    for (const presence of this.#channels.values()) {
      // A newer connection that failed may have taken the entry over, and its node will end it:
      // take it back.
      const told = newest?.onConnection.get(presence.channel);
      if (told && place === this.#attachments.length) told.sent = 0;
      this.#sendToAll(presence);
    }
  }

  /** Whether the connection has every entry and every snapshot. */
  isSettled(connection: Connection): boolean {
    const onConnection = this.#of(connection);
    if (!onConnection) return false;
    for (const presence of this.#channels.values()) {
      const told = onConnection.get(presence.channel);
      if (presence.wanted && !told?.entered) return false;
      if (presence.watchers.size > 0 && told?.watch !== "live") return false;
    }
    return true;
  }

  onFrame(connection: Connection, frame: ServerFrame<unknown>): void {
    if (frame.t === "unsubscribed" && frame.of === "presence")
      this.#ended(frame.ch, errorFromWire(frame));
    if (frame.t !== "members" && frame.t !== "presence") return;
    const presence = this.#channels.get(frame.ch);
    const told = this.#of(connection)?.get(frame.ch);
    if (!presence || !told || told.watch === "none") return;
    if (frame.t === "members") {
      for (const entry of frame.list) told.incoming.set(entry.m, memberOf(entry));
      if (frame.more) return;
      told.watch = "live";
      if (this.#leads(connection, presence)) this.#replace(presence, told.incoming);
      told.incoming = new Map();
      this.#tellReady(presence);
      this.#settled();
    } else if (told.watch === "requested") told.incoming = membersAfter(told.incoming, frame);
    else if (this.#leads(connection, presence))
      this.#replace(presence, membersAfter(presence.members, frame));
  }

  /** Ends everything with an error. */
  endAll(error: HoldfastError): void {
    for (const presence of [...this.#channels.values()]) {
      delete presence.wanted;
      presence.version++;
      this.#settle(presence, error);
      this.#refuseWatch(presence, error);
    }
  }

  /** The node ended entry and watch: the session may not have them any more. */
  #ended(channel: string, error: HoldfastError): void {
    const presence = this.#channels.get(channel);
    if (!presence) return;
    delete presence.wanted;
    presence.version++;
    for (const { onConnection } of this.#attachments) onConnection.delete(channel);
    this.#settle(presence, error);
    this.#refuseWatch(presence, error);
  }

  #change(channel: string, wanted: ChannelPresence["wanted"], done: Done): void {
    if (this.#engine.final) {
      done(this.#engine.final);
      return;
    }
    const presence = this.#presenceIn(channel);
    if (presence.waiting.length >= WAITING_MAX) {
      done(
        new HoldfastError(
          "queue_full",
          `Cannot change presence in ${channel}: ${WAITING_MAX} changes wait for an answer`,
        ),
      );
      return;
    }
    try {
      // A copy: the application may change its own before the next connection is told.
      if (wanted) presence.wanted = { data: dataCopy(wanted.data, "send presence") };
      else delete presence.wanted;
    } catch (cause) {
      done(dataError(cause));
      this.#forget(presence);
      return;
    }
    presence.version++;
    presence.waiting.push({ version: presence.version, done });
    this.#sendToAll(presence);
  }

  #sendToAll(presence: ChannelPresence): void {
    if (this.#channels.get(presence.channel) !== presence) return;
    for (const { connection, onConnection } of this.#attachments)
      this.#sendWanted(connection, onConnection, presence);
  }

  /**
   * The entry belongs to the connection that entered last, and ends with it. So while a session
   * moves only the newest enters, and not before the older has its answer: what the older asked for
   * must not reach the broker after it.
   */
  #mayEnter(connection: Connection, { channel }: ChannelPresence): boolean {
    const others = this.#attachments.filter((other) => other.connection !== connection);
    return (
      this.#attachments.at(-1)?.connection === connection &&
      !others.some(({ onConnection }) => onConnection.get(channel)?.busy)
    );
  }

  #sendWanted(
    connection: Connection,
    onConnection: Map<string, PresenceOnConnection>,
    presence: ChannelPresence,
  ): void {
    const { channel, version, wanted } = presence;
    const told = onConnection.get(channel) ?? newPresenceOnConnection();
    onConnection.set(channel, told);
    if (told.busy || told.sent === version || (!wanted && !told.entered)) return;
    if (wanted && !this.#mayEnter(connection, presence)) return;
    told.busy = true;
    const t: "enter" | "update" | "leave" = wanted ? (told.entered ? "update" : "enter") : "leave";
    connection.request(defined({ t, ch: channel, data: wanted?.data }), (answer) => {
      told.busy = false;
      if (!answer || this.#of(connection) !== onConnection) return;
      if (answer.t === "err") {
        this.#onRefused({ presence, told, version }, errorFromWire(answer));
        return;
      }
      told.sent = version;
      told.tries = 0;
      told.entered = wanted !== undefined;
      this.#settle(presence, undefined, version);
      this.#sendToAll(presence);
      this.#forget(presence);
      this.#settled();
    });
  }

  #onRefused(
    at: { presence: ChannelPresence; told: PresenceOnConnection; version: number },
    error: HoldfastError,
  ): void {
    const { presence, told, version } = at;
    if (error.retry === "never") {
      told.sent = version;
      const nobodyWaits = presence.waiting.every((waiting) => waiting.version > version);
      if (presence.version === version) {
        delete presence.wanted;
        told.entered = false;
      }
      if (nobodyWaits) this.#engine.report(error);
      this.#settle(presence, error, version);
      this.#sendToAll(presence);
      this.#forget(presence);
      this.#settled();
      return;
    }
    const { clock, random } = this.#engine.environment;
    clock.after(requestDelayMs(told.tries++, error.retryAfterMs, random.next()), () => {
      this.#sendToAll(presence);
    });
  }

  #requestWatch(
    connection: Connection,
    onConnection: Map<string, PresenceOnConnection>,
    presence: ChannelPresence,
  ): void {
    const told = onConnection.get(presence.channel) ?? newPresenceOnConnection();
    onConnection.set(presence.channel, told);
    if (presence.watchers.size === 0 || told.watch !== "none") return;
    told.watch = "requested";
    told.incoming = new Map();
    connection.request({ t: "watch", ch: presence.channel }, (answer) => {
      if (answer?.t !== "err" || onConnection.get(presence.channel) !== told) return;
      const error = errorFromWire(answer);
      told.watch = "none";
      if (error.retry === "never") {
        this.#refuseWatch(presence, error);
        return;
      }
      const { clock, random } = this.#engine.environment;
      clock.after(requestDelayMs(told.tries++, error.retryAfterMs, random.next()), () => {
        if (this.#of(connection) === onConnection)
          this.#requestWatch(connection, onConnection, presence);
      });
    });
  }

  #refuseWatch(presence: ChannelPresence, error: HoldfastError): void {
    const watchers = [...presence.watchers.keys()];
    presence.watchers.clear();
    this.#endWatch(presence);
    for (const watcher of watchers) guard(this.#engine, () => watcher.error(error));
    this.#settled();
  }

  #endWatch(presence: ChannelPresence): void {
    for (const { connection, onConnection } of this.#attachments) {
      const told = onConnection.get(presence.channel);
      if (!told || told.watch === "none") continue;
      told.watch = "none";
      connection.request({ t: "unwatch", ch: presence.channel });
    }
    presence.members = new Map();
    this.#forget(presence);
  }

  #replace(presence: ChannelPresence, members: ReadonlyMap<string, RawMember>): void {
    const change = membersBetween(presence.members, members);
    presence.members = members;
    if (isEmpty(change)) return;
    const list = [...members.values()];
    for (const watcher of [...presence.watchers.keys()])
      guard(this.#engine, () => watcher.change(change, list));
  }

  #tellReady(presence: ChannelPresence): void {
    const list = [...presence.members.values()];
    for (const [watcher, state] of [...presence.watchers]) {
      if (state.ready) continue;
      state.ready = true;
      guard(this.#engine, () => watcher.ready(list));
    }
  }

  /**
   * Only the newest connection with a snapshot tells who is there: an older one may lag behind it.
   */
  #leads(connection: Connection, presence: ChannelPresence): boolean {
    return (
      this.#attachments.findLast(
        ({ onConnection }) => onConnection.get(presence.channel)?.watch === "live",
      )?.connection === connection
    );
  }

  #settle(
    presence: ChannelPresence,
    error: HoldfastError | undefined,
    upTo = presence.version,
  ): void {
    const settled = presence.waiting.filter(({ version }) => version <= upTo);
    presence.waiting = presence.waiting.filter(({ version }) => version > upTo);
    for (const { done } of settled) done(error);
  }

  #forget(presence: ChannelPresence): void {
    if (presence.wanted || presence.watchers.size > 0 || presence.waiting.length > 0) return;
    this.#channels.delete(presence.channel);
    for (const { onConnection } of this.#attachments) onConnection.delete(presence.channel);
  }

  #presenceIn(channel: string): ChannelPresence {
    const known = this.#channels.get(channel);
    if (known) return known;
    const presence: ChannelPresence = {
      channel,
      version: 0,
      waiting: [],
      watchers: new Map(),
      members: new Map(),
    };
    this.#channels.set(channel, presence);
    return presence;
  }

  #of(connection: Connection): Map<string, PresenceOnConnection> | undefined {
    return this.#attachments.find((other) => other.connection === connection)?.onConnection;
  }
}
