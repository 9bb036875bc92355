// Owns: which connections there are, whose they are, and how they end.
import type { Contract } from "@holdfast/contract";
import { CODES, type CodeName } from "@holdfast/protocol";
import type { Contexts } from "../application/contexts.ts";
import type { Observer } from "../observer.ts";
import type { Clock } from "../ports.ts";
import type { Connection } from "./connection.ts";
import type { Felt } from "./felt.ts";
import type { HeldBytes } from "./held-bytes.ts";
import { inTime, type WaitNeeds } from "./in-time.ts";
import type { KeptBytes } from "./kept-bytes.ts";
import { networkOf } from "./network-of.ts";
import { Refused } from "./refusal.ts";
import { partyOf } from "./shares.ts";

/** A peer that does not answer the closing handshake is cut after this. */
const CLOSE_MS_MAX = 3000;
const TIMER_MS_MAX = 2 ** 31 - 1;

/** A channel's hub, for connections that end. */
interface LeftHub {
  readonly channel: string;
  readonly presenceRoom: { unwatch(connection: Connection): void };
}

/** What sessions need of the node. */
export interface SessionsNeeds extends WaitNeeds {
  readonly clock: Clock;
  readonly contract: Contract;
  readonly contexts: Pick<Contexts, "of">;
  readonly heldBytes: HeldBytes;
  readonly keptBytes: Pick<KeptBytes, "entered">;
  readonly observer: Pick<Observer, "ended" | "bug">;
  readonly felt: Pick<Felt, "began" | "ended">;
  readonly hubs: {
    get(channel: string): LeftHub | undefined;
    release(hub: { readonly channel: string }): void;
  };
  readonly presenceKeeper: {
    leave(channel: string, connection: Connection, graceMs: number): void;
  };
  background(what: string, work: Promise<unknown>): void;
}

/** What a goodbye may advise. */
export interface Farewell {
  readonly message?: string;
  readonly retryMs?: number;
  readonly windowMs?: number;
}

export class Sessions {
  /** Every connection that has not ended, in whatever phase. */
  readonly connections = new Set<Connection>();
  /** The connection that speaks for a session. */
  readonly #bySession = new Map<string, Connection>();
  readonly #perAddress = new Map<string, number>();
  /** Those whose connect frame was not yet answered, by address, oldest first. */
  readonly #opening = new Map<string, Set<Connection>>();
  readonly #byUser = new Map<string, Set<Connection>>();
  readonly #parts: () => SessionsNeeds;
  /** Connections whose connect frame was not yet answered. */
  opening = 0;
  subscriptions = 0;
  /** Told when a connection has ended. */
  onEnded: readonly { ended(connection: Connection): void }[] = [];

  constructor(parts: () => SessionsNeeds) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#bySession.size;
  }

  get(session: string): Connection | undefined {
    return this.#bySession.get(session);
  }

  ofUser(user: string): ReadonlySet<Connection> {
    return this.#byUser.get(user) ?? NONE;
  }

  ofAddress(address: string): number {
    return this.#perAddress.get(networkOf(address)) ?? 0;
  }

  sessions(): IterableIterator<[string, Connection]> {
    return this.#bySession.entries();
  }

  /** Addresses that have connections. */
  get addresses(): number {
    return this.#perAddress.size;
  }

  add(connection: Connection): void {
    this.connections.add(connection);
    this.opening += 1;
    const { address } = connection.link;
    const network = networkOf(address);
    this.#perAddress.set(network, this.ofAddress(address) + 1);
    connection.party = partyOf(connection);
    const silent = this.#opening.get(network);
    if (silent === undefined) this.#opening.set(network, new Set([connection]));
    else silent.add(connection);
  }

  /**
   * Of the address with the most handshakes under way: the oldest connection that has said nothing,
   * or else the oldest. Looks at every such address: for a node at its limit.
   */
  oldestSilent(): Connection | undefined {
    let most: ReadonlySet<Connection> = NONE;
    for (const opening of this.#opening.values()) if (opening.size > most.size) most = opening;
    let oldest: Connection | undefined;
    for (const connection of most) {
      if (connection.phase === "opening") return connection;
      oldest ??= connection;
    }
    return oldest;
  }

  #opened(connection: Connection): void {
    this.opening -= 1;
    const network = networkOf(connection.link.address);
    const opening = this.#opening.get(network);
    opening?.delete(connection);
    if (opening?.size === 0) this.#opening.delete(network);
  }

  /** The connection speaks for its session from now on: `connected` can be sent. */
  establish(connection: Connection): void {
    this.#opened(connection);
    this.#parts().heldBytes.move(connection, partyOf(connection));
    connection.phase = "open";
    this.#parts().felt.began(connection);
    connection.connectedAtMs = this.#parts().clock.wallMs();
    this.#bySession.set(connection.session, connection);
    const { user } = connection.identity;
    if (user !== undefined) {
      const mine = this.#byUser.get(user);
      if (mine === undefined) this.#byUser.set(user, new Set([connection]));
      else mine.add(connection);
    }
    this.armExpiry(connection);
  }

  // ---- expiry (H5) ----

  armExpiry(connection: Connection): void {
    const { clock } = this.#parts();
    connection.cancelExpiry?.();
    const { expiresAtMs } = connection.identity;
    if (expiresAtMs === undefined) return;
    const leftMs = Math.max(0, Math.min(expiresAtMs - clock.wallMs(), TIMER_MS_MAX));
    connection.cancelExpiry = clock.after(leftMs, () => {
      if (connection.phase !== "ended" && !this.endIfExpired(connection))
        this.armExpiry(connection);
    });
  }

  /** Throws when the session's token is no longer valid; the connection is ended then. */
  checkExpiry(connection: Connection): void {
    if (this.endIfExpired(connection)) throw new Refused("permission_denied", "The token expired");
  }

  /** Ends the connection, and answers true, if its token has expired by the wall clock. */
  endIfExpired(connection: Connection): boolean {
    const { expiresAtMs } = connection.identity;
    if (expiresAtMs === undefined || expiresAtMs > this.#parts().clock.wallMs()) return false;
    this.end(connection, "token_expired");
    return true;
  }

  // ---- ending ----

  /** Says goodbye, closes, and releases everything at once. A peer that does not close is cut. */
  end(connection: Connection, code: CodeName, farewell: Farewell = {}): void {
    // Flushing below may find the queue over its limit, which would end the connection again.
    if (connection.phase === "ended" || connection.endedWith !== undefined) return;
    connection.endedWith = code;
    const row = CODES[code];
    const { message, ...advice } = farewell;
    connection.send({
      t: "goodbye",
      code: row.number,
      name: code,
      msg: message ?? row.meaning,
      ...advice,
    });
    connection.flush();
    connection.link.close("close" in row ? row.close : 1000, code);
    this.#parts().clock.after(CLOSE_MS_MAX, () => connection.link.cut());
    this.#forget(connection);
  }

  /** The client said bye. */
  leave(connection: Connection, moved: boolean): void {
    if (connection.phase === "ended") return;
    connection.saidBye = moved ? "moved" : "left";
    connection.flush();
    connection.link.close(1000, "bye");
    this.#parts().clock.after(CLOSE_MS_MAX, () => connection.link.cut());
    this.#forget(connection);
  }

  /** The transport told that the connection is gone. `isClean`: it was closed in order. */
  gone(connection: Connection, isClean = false): void {
    if (connection.phase !== "ended") this.#forget(connection, !isClean);
  }

  #forget(connection: Connection, isAbnormal = connection.endedWith === "idle_timeout"): void {
    const { phase, session, identity } = connection;
    if (phase === "ended") return;
    connection.phase = "ended";
    connection.cancelExpiry?.();
    letGo(connection);
    this.#parts().heldBytes.release(connection, connection.heldBytes);
    this.connections.delete(connection);
    this.#count(connection.link.address, -1);
    if (phase !== "open") this.#opened(connection);
    for (const channel of [...(connection.subscriptions?.keys() ?? [])])
      this.endSubscription(connection, channel);
    for (const channel of [...(connection.watches ?? [])]) this.endWatch(connection, channel);
    for (const channel of [...(connection.entries?.keys() ?? [])])
      this.leavePresence(connection, channel);
    for (const signal of connection.calls?.values() ?? []) signal.end("rpc_cancelled");
    if (phase === "open") {
      this.#parts().felt.ended(connection, isAbnormal);
      this.#forgetSession(connection, session, identity.user);
    }
    connection.older = undefined;
    for (const part of this.onEnded) part.ended(connection);
  }

  #forgetSession(connection: Connection, session: string, user: string | undefined): void {
    const { clock, contract, contexts, observer, background } = this.#parts();
    if (this.#bySession.get(session) === connection) {
      // A connection that was to take over ended first: the older one speaks for the session again.
      const { older } = connection;
      if (older !== undefined && older.phase === "open") this.#bySession.set(session, older);
      else this.#bySession.delete(session);
    }
    if (user !== undefined) {
      const mine = this.#byUser.get(user);
      mine?.delete(connection);
      if (mine?.size === 0) this.#byUser.delete(user);
    }
    const connectedMs = clock.wallMs() - connection.connectedAtMs;
    observer.ended({
      session,
      ...(user === undefined ? {} : { user }),
      code: connection.endedWith,
      connectedMs,
    });
    if (connection.saidBye === "moved" || contract.hooks.onDisconnect === undefined) return;
    const { onDisconnect } = contract.hooks;
    const tell = async (): Promise<void> =>
      onDisconnect(
        connection.view,
        connection.endedWith ?? connection.saidBye,
        contexts.of(connection),
      );
    background("onDisconnect", tell());
  }

  #count(address: string, by: number): void {
    const count = this.ofAddress(address) + by;
    if (count > 0) this.#perAddress.set(networkOf(address), count);
    else this.#perAddress.delete(networkOf(address));
  }

  // ---- what hangs on a connection ----

  endSubscription(connection: Connection, channel: string): boolean {
    const subscription = connection.subscriptions?.get(channel);
    if (subscription === undefined) return false;
    connection.subscriptions?.delete(channel);
    this.subscriptions -= 1;
    subscription.hub.remove(subscription);
    this.#parts().hubs.release(subscription.hub);
    return true;
  }

  endWatch(connection: Connection, channel: string): boolean {
    if (connection.watches?.delete(channel) !== true) return false;
    const { hubs } = this.#parts();
    const hub = hubs.get(channel);
    if (hub === undefined) return true;
    hub.presenceRoom.unwatch(connection);
    hubs.release(hub);
    return true;
  }

  /**
   * The entry is removed at once if the client left on purpose. Otherwise it stays for the grace
   * time, or with the connection that entered it again (H7).
   */
  leavePresence(connection: Connection, channel: string): void {
    const { keptBytes, presenceKeeper, settings } = this.#parts();
    connection.entries?.delete(channel);
    keptBytes.entered(connection);
    const forGood = connection.saidBye === "left" || connection.endedWith === "banned";
    presenceKeeper.leave(channel, connection, forGood ? 0 : settings().timeouts.presenceGraceMs);
  }

  /**
   * Ends whatever the session's claims no longer allow, each as soon as its rule says so. A rule
   * that does not answer in time allows nothing.
   */
  async recheckPermissions(connection: Connection): Promise<void> {
    const subscribed = [...(connection.subscriptions?.keys() ?? [])];
    const present = new Set([...(connection.watches ?? []), ...(connection.entries?.keys() ?? [])]);
    await Promise.all([
      ...subscribed.map((channel) => this.#recheck(connection, "subscribe", channel)),
      ...[...present].map((channel) => this.#recheck(connection, "presence", channel)),
    ]);
  }

  async #recheck(
    connection: Connection,
    action: "subscribe" | "presence",
    channel: string,
  ): Promise<void> {
    const { identity, view } = connection;
    const parts = this.#parts();
    const answer = parts.contract.resolve(channel)?.allows(action, view, identity) ?? false;
    // Without an answer nothing is allowed, but another may come: the client may ask again.
    let code: "subscription_ended" | "request_failed" = "subscription_ended";
    const failed = (): boolean => {
      code = "request_failed";
      return false;
    };
    const allowed =
      typeof answer === "boolean" ? answer : await inTime(parts, "rule", answer).catch(failed);
    // The claims changed again meanwhile: that change asks for itself.
    if (allowed || connection.identity !== identity) return;
    if (action === "subscribe") {
      if (this.endSubscription(connection, channel))
        this.tellUnsubscribed(connection, channel, { code });
      return;
    }
    const watched = this.endWatch(connection, channel);
    const entered = connection.entries?.has(channel) ?? false;
    if (entered) this.leavePresence(connection, channel);
    if (watched || entered) this.tellUnsubscribed(connection, channel, { code, of: "presence" });
  }

  /** `of: "presence"`: only watch and entry ended. */
  tellUnsubscribed(
    connection: Connection,
    channel: string,
    why: { readonly code?: "subscription_ended" | "request_failed"; readonly of?: "presence" } = {},
  ): void {
    const { code: name = "subscription_ended", of } = why;
    const { number: code, meaning: msg } = CODES[name];
    const only = of === undefined ? {} : { of };
    connection.send({ t: "unsubscribed", ch: channel, code, name, msg, ...only });
  }
}

/**
 * Requests that wait are not carried out. Those that wait for room are told that there will be
 * none.
 */
function letGo(connection: Connection): void {
  const { held, roomWaiters } = connection;
  connection.held = undefined;
  connection.roomWaiters = undefined;
  connection.onRoom = undefined;
  // A link that does not read does not notice that its peer has gone.
  if (held?.paused) connection.link.resume();
  for (const waiter of roomWaiters ?? []) waiter.then();
}

const NONE: ReadonlySet<Connection> = new Set();
