// Owns: presence of every channel: what this session entered with, who is watched, and keeping both
// over connections (H7).
import type { ServerFrame } from "@holdfast/protocol";
import { requestDelayMs } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import { errorFromWire, HoldfastError } from "./errors.ts";
import { defined, guard, type Host, type Part } from "./host.ts";
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

interface Room {
  readonly channel: string;
  /** What the application wants to be in the channel as; absent: not a member. */
  wish?: { readonly data: unknown };
  /** Counts changes of the wish. */
  version: number;
  waiting: { readonly version: number; readonly done: Done }[];
  readonly watchers: Map<PresenceListener, { ready: boolean }>;
  members: ReadonlyMap<string, RawMember>;
}

/** What one connection was told and has told of a room. */
interface Seat {
  /** Version of the wish that was sent last; 0: none. */
  sent: number;
  busy: boolean;
  entered: boolean;
  tries: number;
  watch: "none" | "requested" | "live";
  incoming: Map<string, RawMember>;
}

interface Attachment {
  readonly connection: Connection;
  readonly seats: Map<string, Seat>;
}

const newSeat = (): Seat => ({
  sent: 0,
  busy: false,
  entered: false,
  tries: 0,
  watch: "none",
  incoming: new Map(),
});

/** Presence of a client. `attach` a connection when it opens; `detach` it when it ends. */
export class Presence implements Part {
  readonly #host: Host;
  readonly #settled: () => void;
  readonly #rooms = new Map<string, Room>();
  #attachments: readonly Attachment[] = [];

  /**
   * `settled` is called whenever a watch became live or a change of this session's entry was
   * answered.
   */
  constructor(host: Host, settled: () => void) {
    this.#host = host;
    this.#settled = settled;
  }

  /**
   * Wishes to be a member with this data, from now until `leave`, on every connection. Changes that
   * come faster than answers are merged; `done` when the node has this or a newer one.
   */
  enter(channel: string, data: unknown, done: Done): void {
    this.#change(channel, { data }, done);
  }

  /** The same for a session that has entered. */
  update(channel: string, data: unknown, done: Done): void {
    if (this.#rooms.get(channel)?.wish) this.#change(channel, { data }, done);
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
    const room = this.#rooms.get(channel);
    if (room?.wish && this.#host.ready()) this.#change(channel, undefined, done);
    else {
      if (room) {
        delete room.wish;
        room.version++;
        this.#settle(room, undefined);
        this.#forget(room);
      }
      done(undefined);
    }
  }

  /** Members as far as they are known: empty unless something watches. */
  members(channel: string): readonly RawMember[] {
    return [...(this.#rooms.get(channel)?.members.values() ?? [])];
  }

  /**
   * The first watcher of a channel starts the watch. The result removes it; the last one ends it.
   */
  watch(channel: string, listener: PresenceListener): () => void {
    const { final } = this.#host;
    if (final) {
      this.#host.environment.clock.defer(() => guard(this.#host, () => listener.error(final)));
      return () => {};
    }
    const room = this.#room(channel);
    room.watchers.set(listener, { ready: false });
    for (const { connection, seats } of this.#attachments)
      this.#requestWatch(connection, seats, room);
    if (this.#attachments.some(({ seats }) => seats.get(channel)?.watch === "live"))
      this.#host.environment.clock.defer(() => this.#tellReady(room));
    return () => {
      if (!room.watchers.delete(listener) || room.watchers.size > 0) return;
      this.#endWatch(room);
    };
  }

  attach(connection: Connection): void {
    const seats = new Map<string, Seat>();
    this.#attachments = [...this.#attachments, { connection, seats }];
    for (const room of this.#rooms.values()) {
      this.#sendWish(connection, seats, room);
      this.#requestWatch(connection, seats, room);
    }
  }

  detach(connection: Connection): void {
    const place = this.#attachments.findIndex((other) => other.connection === connection);
    if (place < 0) return;
    this.#attachments = this.#attachments.filter((other) => other.connection !== connection);
    const newest = this.#attachments.at(-1);
    for (const room of this.#rooms.values()) {
      // A newer connection that failed may have taken the entry over, and its node will end it:
      // take it back.
      const seat = newest?.seats.get(room.channel);
      if (seat && place === this.#attachments.length) seat.sent = 0;
      this.#sendWishes(room);
    }
  }

  /** Whether the connection has every entry and every snapshot. */
  isSettled(connection: Connection): boolean {
    const seats = this.#of(connection);
    if (!seats) return false;
    for (const room of this.#rooms.values()) {
      const seat = seats.get(room.channel);
      if (room.wish && !seat?.entered) return false;
      if (room.watchers.size > 0 && seat?.watch !== "live") return false;
    }
    return true;
  }

  onFrame(connection: Connection, frame: ServerFrame<unknown>): void {
    if (frame.t === "unsubscribed" && frame.of === "presence")
      this.#ended(frame.ch, errorFromWire(frame));
    if (frame.t !== "members" && frame.t !== "presence") return;
    const room = this.#rooms.get(frame.ch);
    const seat = this.#of(connection)?.get(frame.ch);
    if (!room || !seat || seat.watch === "none") return;
    if (frame.t === "members") {
      for (const entry of frame.list) seat.incoming.set(entry.m, memberOf(entry));
      if (frame.more) return;
      seat.watch = "live";
      if (this.#leads(connection, room)) this.#replace(room, seat.incoming);
      seat.incoming = new Map();
      this.#tellReady(room);
      this.#settled();
    } else if (seat.watch === "requested") seat.incoming = membersAfter(seat.incoming, frame);
    else if (this.#leads(connection, room)) this.#replace(room, membersAfter(room.members, frame));
  }

  /** Ends everything with an error. */
  endAll(error: HoldfastError): void {
    for (const room of [...this.#rooms.values()]) {
      delete room.wish;
      room.version++;
      this.#settle(room, error);
      this.#refuseWatch(room, error);
    }
  }

  /** The node ended entry and watch: the session may not have them any more. */
  #ended(channel: string, error: HoldfastError): void {
    const room = this.#rooms.get(channel);
    if (!room) return;
    delete room.wish;
    room.version++;
    for (const { seats } of this.#attachments) seats.delete(channel);
    this.#settle(room, error);
    this.#refuseWatch(room, error);
  }

  #change(channel: string, wish: Room["wish"], done: Done): void {
    if (this.#host.final) {
      done(this.#host.final);
      return;
    }
    const room = this.#room(channel);
    if (room.waiting.length >= WAITING_MAX) {
      done(
        new HoldfastError(
          "queue_full",
          `Cannot change presence in ${channel}: ${WAITING_MAX} changes wait for an answer`,
        ),
      );
      return;
    }
    room.version++;
    if (wish) room.wish = wish;
    else delete room.wish;
    room.waiting.push({ version: room.version, done });
    this.#sendWishes(room);
  }

  #sendWishes(room: Room): void {
    if (this.#rooms.get(room.channel) !== room) return;
    for (const { connection, seats } of this.#attachments) this.#sendWish(connection, seats, room);
  }

  /**
   * The entry belongs to the connection that entered last, and ends with it. So while a session
   * moves only the newest enters, and not before the older has its answer: what the older asked for
   * must not reach the broker after it.
   */
  #mayEnter(connection: Connection, { channel }: Room): boolean {
    const others = this.#attachments.filter((other) => other.connection !== connection);
    return (
      this.#attachments.at(-1)?.connection === connection &&
      !others.some(({ seats }) => seats.get(channel)?.busy)
    );
  }

  #sendWish(connection: Connection, seats: Map<string, Seat>, room: Room): void {
    const { channel, version, wish } = room;
    const seat = seats.get(channel) ?? newSeat();
    seats.set(channel, seat);
    if (seat.busy || seat.sent === version || (!wish && !seat.entered)) return;
    if (wish && !this.#mayEnter(connection, room)) return;
    seat.busy = true;
    const t: "enter" | "update" | "leave" = wish ? (seat.entered ? "update" : "enter") : "leave";
    connection.request(defined({ t, ch: channel, data: wish?.data }), (answer) => {
      seat.busy = false;
      if (!answer || this.#of(connection) !== seats) return;
      if (answer.t === "err") {
        this.#onRefused({ room, seat, version }, errorFromWire(answer));
        return;
      }
      seat.sent = version;
      seat.tries = 0;
      seat.entered = wish !== undefined;
      this.#settle(room, undefined, version);
      this.#sendWishes(room);
      this.#forget(room);
      this.#settled();
    });
  }

  #onRefused(at: { room: Room; seat: Seat; version: number }, error: HoldfastError): void {
    const { room, seat, version } = at;
    if (error.retry === "never") {
      seat.sent = version;
      const nobodyWaits = room.waiting.every((waiting) => waiting.version > version);
      if (room.version === version) {
        delete room.wish;
        seat.entered = false;
      }
      if (nobodyWaits) this.#host.report(error);
      this.#settle(room, error, version);
      this.#sendWishes(room);
      this.#forget(room);
      this.#settled();
      return;
    }
    const { clock, random } = this.#host.environment;
    clock.after(requestDelayMs(seat.tries++, error.retryAfterMs, random.next()), () => {
      this.#sendWishes(room);
    });
  }

  #requestWatch(connection: Connection, seats: Map<string, Seat>, room: Room): void {
    const seat = seats.get(room.channel) ?? newSeat();
    seats.set(room.channel, seat);
    if (room.watchers.size === 0 || seat.watch !== "none") return;
    seat.watch = "requested";
    seat.incoming = new Map();
    connection.request({ t: "watch", ch: room.channel }, (answer) => {
      if (answer?.t !== "err" || seats.get(room.channel) !== seat) return;
      const error = errorFromWire(answer);
      seat.watch = "none";
      if (error.retry === "never") {
        this.#refuseWatch(room, error);
        return;
      }
      const { clock, random } = this.#host.environment;
      clock.after(requestDelayMs(seat.tries++, error.retryAfterMs, random.next()), () => {
        if (this.#of(connection) === seats) this.#requestWatch(connection, seats, room);
      });
    });
  }

  #refuseWatch(room: Room, error: HoldfastError): void {
    const watchers = [...room.watchers.keys()];
    room.watchers.clear();
    this.#endWatch(room);
    for (const watcher of watchers) guard(this.#host, () => watcher.error(error));
    this.#settled();
  }

  #endWatch(room: Room): void {
    for (const { connection, seats } of this.#attachments) {
      const seat = seats.get(room.channel);
      if (!seat || seat.watch === "none") continue;
      seat.watch = "none";
      connection.request({ t: "unwatch", ch: room.channel });
    }
    room.members = new Map();
    this.#forget(room);
  }

  #replace(room: Room, members: ReadonlyMap<string, RawMember>): void {
    const change = membersBetween(room.members, members);
    room.members = members;
    if (isEmpty(change)) return;
    const list = [...members.values()];
    for (const watcher of [...room.watchers.keys()])
      guard(this.#host, () => watcher.change(change, list));
  }

  #tellReady(room: Room): void {
    const list = [...room.members.values()];
    for (const [watcher, told] of [...room.watchers]) {
      if (told.ready) continue;
      told.ready = true;
      guard(this.#host, () => watcher.ready(list));
    }
  }

  /**
   * Only the newest connection with a snapshot tells who is there: an older one may lag behind it.
   */
  #leads(connection: Connection, room: Room): boolean {
    return (
      this.#attachments.findLast(({ seats }) => seats.get(room.channel)?.watch === "live")
        ?.connection === connection
    );
  }

  #settle(room: Room, error: HoldfastError | undefined, upTo = room.version): void {
    const settled = room.waiting.filter(({ version }) => version <= upTo);
    room.waiting = room.waiting.filter(({ version }) => version > upTo);
    for (const { done } of settled) done(error);
  }

  #forget(room: Room): void {
    if (room.wish || room.watchers.size > 0 || room.waiting.length > 0) return;
    this.#rooms.delete(room.channel);
    for (const { seats } of this.#attachments) seats.delete(room.channel);
  }

  #room(channel: string): Room {
    const known = this.#rooms.get(channel);
    if (known) return known;
    const room: Room = {
      channel,
      version: 0,
      waiting: [],
      watchers: new Map(),
      members: new Map(),
    };
    this.#rooms.set(channel, room);
    return room;
  }

  #of(connection: Connection): Map<string, Seat> | undefined {
    return this.#attachments.find((other) => other.connection === connection)?.seats;
  }
}
