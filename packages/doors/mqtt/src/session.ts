// Owns: one session while a connection has it: how it begins or goes on, its channels in the
// engine, its will, and what is kept of it.
import { BrokerError, type Connection, type KeptEntitlement } from "@holdfast/core";
import type { CodeName, GapFrame, SubscribedFrame } from "@holdfast/protocol";
import { NOTHING } from "./bytes.ts";
import { type ClientHooks, ClientParts } from "./client-parts.ts";
import type { ClientPacket, ConnectPacket, Version } from "./decode.ts";
import type { DoorParts } from "./door-parts.ts";
import { encodeConnack } from "./encode.ts";
import { gapPacket } from "./gaps.ts";
import type { Tenant } from "./leases.ts";
import { type Fault, PASSING, REASON } from "./reason.ts";
import { type Opened, openSession } from "./session-opening.ts";
import { type KeptSession, writeSession } from "./state.ts";
import { readWill } from "./will.ts";
import { type WillMessage, willBytes } from "./will-record.ts";
import type { HeldWill } from "./wills.ts";

/** What a session asks of its connection. */
export interface SessionHooks {
  readonly clientId: string;
  readonly connection: Connection;
  nextId(): number;
  /** Packets that were not read yet may be. */
  read(): void;
  answer(bytes: Uint8Array): void;
  end(code: CodeName, fault: Fault | undefined): void;
}

/** A channel that the engine was asked to subscribe to. */
interface Asked {
  readonly channel: string;
  readonly why: "filter" | "retained";
  /** With what the channel keeps. */
  readonly isNew: boolean;
  /** From where the session was. */
  readonly isBack: boolean;
}

/** Publications of a channel that began after a filter with a wildcard. */
const LAST = 1000;
/** Wills are charged to their party, and fade over this time. */
const HOUR_MS = 3_600_000;
/** The broker has no room for more of this client's. */
const FULL: ReadonlySet<string> = new Set(["full", "share", "limit"]);
/** When a kept subscription is asked for again whose refusal may have passed. */
const AGAIN_MS = 1000;
/** In a drain a client has this time to reach another node before its will is published. */
const DRAIN_WILL_S = 30;

export class Session implements ClientHooks {
  readonly version: Version;
  readonly connection: Connection;
  readonly parts: ClientParts;
  readonly #door: DoorParts;
  readonly #packet: ConnectPacket;
  readonly #hooks: SessionHooks;
  readonly #asked = new Map<number, Asked>();
  /** How long it outlives the connection; DISCONNECT may change it. */
  #expiryS: number;
  #id = "";
  #entitlement: KeptEntitlement = { sinceMs: 0, policy: "", right: "" };
  /** Absent: nobody else can have this session, and nothing of it is kept. */
  #tenant: Tenant | undefined;
  #kept: KeptSession | undefined;
  #will: readonly WillMessage[] | undefined;
  #held: HeldWill | undefined;
  /** Where the will of this session waits, so that the next connection finds it. */
  #waiting: string | undefined;
  #isOver = false;

  constructor(door: DoorParts, packet: ConnectPacket, hooks: SessionHooks) {
    this.#door = door;
    this.#packet = packet;
    this.#hooks = hooks;
    this.version = packet.version;
    this.#expiryS = this.#expiryOf(packet);
    this.connection = hooks.connection;
    this.parts = new ClientParts(door, packet, this);
  }

  // ---- what its parts ask ----

  nextId(): number {
    return this.#hooks.nextId();
  }
  goOn(): void {
    this.#door.clock.defer(() => this.#hooks.read());
  }
  readRetained(channel: string): void {
    this.#ask({ channel, why: "retained", isNew: false, isBack: false }, {});
  }
  endWith(code: CodeName, reason: number, text: string): void {
    this.#hooks.end(code, { reason, text });
  }
  answer(bytes: Uint8Array): void {
    this.#hooks.answer(bytes);
  }
  sessionId(): string {
    return this.#id;
  }
  changed(): void {
    this.#tenant?.keeper.changed();
  }

  /** 0: the client announces nothing, so the most that a client may be silent counts. */
  get keepAliveS(): number {
    const { keepAliveS } = this.#packet;
    const max = this.#door.settings().keepAliveSecondsMax;
    return keepAliveS === 0 ? max : Math.min(keepAliveS, max);
  }

  /** What the client asks for, as far as the node keeps sessions. */
  #expiryOf({ version, clean, properties }: ConnectPacket): number {
    const max = this.#door.settings().sessionExpirySecondsMax;
    if (version === 4) return clean ? 0 : max;
    return Math.min(properties.sessionExpiryS ?? 0, max);
  }

  /** Runs `then` when what the session knows now is kept; at once if nothing of it is. */
  durably(then: () => void): void {
    if (this.#tenant === undefined) then();
    else this.#tenant.keeper.durably(then);
  }

  // ---- beginning ----

  /** What is wrong with the will of CONNECT. */
  readWill(): Fault | undefined {
    const found = readWill(this.#packet.will, this.#door);
    if (found !== undefined && "reason" in found) return found;
    this.#will = found;
    return undefined;
  }

  /**
   * Once the engine knows who it is. The CONNACK to send, and then `begin`; undefined: the
   * connection has ended, or ends now.
   */
  async open(isWanted: () => boolean): Promise<Uint8Array | undefined> {
    const { engine, random, leases, observer } = this.#door;
    const { connection } = this.#hooks;
    let opened: Opened | undefined;
    try {
      if (!(await this.#mayWill())) {
        const text = "a will that the client may not publish";
        this.#hooks.end("rejected_connect", { reason: REASON.notAuthorized, text });
        return undefined;
      }
      // An identifier that the node made up belongs to nobody else, unless the client keeps it.
      const isNamed = this.#packet.clientId !== "" || this.#expiryS > 0;
      if (isNamed) opened = await this.#openKept();
      if (isNamed && opened === undefined) {
        const text = "another connection came for the session";
        this.#hooks.end("session_replaced", { reason: REASON.sessionTakenOver, text });
        return undefined;
      }
      await this.#holdWill(opened);
    } catch (error) {
      void opened?.keeper.release();
      const isFull = error instanceof BrokerError && FULL.has(error.code);
      if (!(error instanceof BrokerError)) observer.bug("mqtt.open", error);
      if (isFull)
        this.#hooks.end("flooded", { reason: REASON.quotaExceeded, text: "no room in the broker" });
      else this.#hooks.end("broker_lost", { reason: REASON.serverUnavailable, text: "no broker" });
      return undefined;
    }
    if (!isWanted()) {
      this.#held?.void();
      void opened?.keeper.release();
      return undefined;
    }
    this.#kept = opened?.session;
    this.#id = this.#kept?.id ?? random.id();
    if (this.#kept !== undefined) engine.entitle(connection, this.#kept.entitlement);
    this.#entitlement = engine.entitlement(connection);
    if (opened !== undefined) {
      this.#tenant = { keeper: opened.keeper, takenOver: () => this.#takenOver() };
      leases.add(this.#tenant);
    }
    observer.opened(this.#kept === undefined ? "new" : "resumed", this.version);
    return this.#connack(this.#kept !== undefined);
  }

  /** After CONNACK: what an earlier connection left. */
  begin(): void {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept === undefined) return this.durably(() => {});
    this.parts.publishing.restore(kept.inbound, kept.lastNumber);
    for (const pubrel of this.parts.delivering.restore(kept.progress, kept.lastPid))
      this.parts.push(pubrel);
    const channels = kept.progress.map(({ channel }) => channel);
    this.parts.subscribing.restore(kept.filters, channels);
  }

  #openKept(): Promise<Opened | undefined> {
    const { connection, clientId } = this.#hooks;
    return openSession(this.#door, {
      connection,
      clientId,
      clean: this.#packet.clean,
      hasWill: this.#will !== undefined,
      keeper: {
        snapshot: () => this.#snapshot(),
        keepMs: () => this.#expiryS * 1000,
        fenced: () => this.#takenOver(),
        tooLarge: () =>
          this.#hooks.end("flooded", { reason: REASON.quotaExceeded, text: "the session" }),
      },
    });
  }

  /** Before CONNACK: from then on the will comes, even if this node dies. */
  async #holdWill(opened: Opened | undefined): Promise<void> {
    if (this.#will === undefined) return;
    const { connection } = this.#hooks;
    const keeper = opened?.keeper;
    if (!this.#door.engine.costs.keep(connection, willBytes(this.#will), HOUR_MS))
      throw new BrokerError("share", "Cannot keep a will: found no room for the client's user");
    this.#held = await this.#door.wills.hold({
      messages: this.#will,
      session: keeper === undefined ? undefined : { key: keeper.key, fence: keeper.hold.fence },
      delayMs: this.#willDelayS * 1000,
      party: connection.party,
      connection: connection.owner,
    });
  }

  get #willDelayS(): number {
    return Math.min(this.#packet.will?.properties.willDelayS ?? 0, this.#expiryS);
  }

  async #mayWill(): Promise<boolean> {
    for (const message of this.#will ?? [])
      if (!(await this.#door.mayPublish(this.#hooks.connection, message))) return false;
    return true;
  }

  #connack(sessionPresent: boolean): Uint8Array {
    const { settings, engine } = this.#door;
    const { clientId, keepAliveS, properties } = this.#packet;
    const isSame = this.#expiryS === (properties.sessionExpiryS ?? 0);
    return encodeConnack({
      version: this.version,
      sessionPresent,
      reason: REASON.success,
      properties: {
        ...(clientId === "" ? { assignedClientId: this.#hooks.clientId } : {}),
        ...(this.keepAliveS === keepAliveS ? {} : { serverKeepAliveS: this.keepAliveS }),
        ...(isSame ? {} : { sessionExpiryS: this.#expiryS }),
        receiveMax: settings().receiveMax,
        aliasMax: settings().topicAliasMax,
        packetBytesMax: engine.limits().messageBytesMax,
      },
    });
  }

  #snapshot(): Uint8Array {
    return writeSession({
      id: this.#id,
      entitlement: this.#entitlement,
      filters: this.parts.subscribing.snapshot(),
      progress: this.parts.delivering.snapshot(),
      ...(this.parts.published?.snapshot() ?? { inbound: [], lastNumber: 0 }),
      lastPid: this.parts.delivering.lastPid,
      will: this.#waiting,
      isOver: this.#isOver && this.#expiryS === 0,
    });
  }

  // ---- channels ----

  subscribe(channel: string, isNew: boolean): void {
    const pos = this.parts.delivering.positionOf(channel);
    const from = pos !== undefined ? { pos } : isNew ? { last: LAST } : {};
    this.#ask({ channel, why: "filter", isNew, isBack: pos !== undefined }, from);
  }

  #ask(asked: Asked, from: object): void {
    if (this.#isOver) return;
    const id = this.#hooks.nextId();
    this.#asked.set(id, asked);
    const item = { t: "subscribe" as const, id, ch: asked.channel, ...from };
    this.#door.engine.receive(this.#hooks.connection, [item], 32);
  }

  subscribed(frame: SubscribedFrame): void {
    const isBack = this.#asked.get(frame.id)?.isBack ?? false;
    this.#asked.delete(frame.id);
    if (this.parts.reading?.subscribed(frame) === true) return;
    // SUBACK comes when the session is kept, with its place in this channel.
    this.parts.delivering.subscribed(frame);
    this.parts.subscribing.subscribed(frame, isBack);
  }

  /** The engine refused a subscription. */
  failed(id: number, code: CodeName): Uint8Array {
    const asked = this.#asked.get(id);
    if (asked === undefined) return NOTHING;
    this.#asked.delete(id);
    const { channel, why, isNew } = asked;
    if (why === "retained") this.parts.retained.failed(channel);
    // Whoever may not read the history gets what comes from now on.
    else if (isNew && code === "permission_denied")
      this.#door.clock.defer(() => this.subscribe(channel, false));
    else this.parts.subscribing.failed(channel, code);
    return NOTHING;
  }

  gap(frame: GapFrame): Uint8Array {
    this.parts.delivering.gap(frame);
    return gapPacket(frame, this.version, this.parts.subscribing.filters);
  }

  /** A kept subscription was refused: for now, or for good. */
  lost(channel: string, code: CodeName): void {
    const { clock, random } = this.#door;
    if (PASSING.has(code)) {
      const waitMs = AGAIN_MS * (0.5 + random.next());
      clock.after(waitMs, () => this.subscribe(channel, false));
      return;
    }
    const watched = this.parts.subscribing.filters.watched.get(channel);
    this.parts.subscribing.unsubscribe([...(watched?.exact.keys() ?? [])]);
    const text = `the subscription to channel ${channel} is no longer allowed`;
    clock.defer(() => this.#hooks.end("disconnected", { reason: REASON.notAuthorized, text }));
  }

  // ---- the end ----

  /** DISCONNECT: it may ask for the will, and for another expiry. */
  leave({ reason, properties }: Extract<ClientPacket, { t: "disconnect" }>): Fault | undefined {
    const { sessionExpiryS } = properties;
    if (sessionExpiryS !== undefined && sessionExpiryS > 0) {
      if ((this.#packet.properties.sessionExpiryS ?? 0) === 0)
        return { reason: REASON.protocolError, text: "a session expiry that CONNECT did not have" };
    }
    if (sessionExpiryS !== undefined)
      this.#expiryS = Math.min(sessionExpiryS, this.#door.settings().sessionExpirySecondsMax);
    if (reason !== REASON.disconnectWithWill) this.#will = undefined;
    return undefined;
  }

  /** `code`: why the node ends it. */
  close(code: CodeName | undefined, wasOpen: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    let willMs = 0;
    if (wasOpen) {
      this.#door.observer.closed(this.version);
      willMs = this.#endWill(code);
    }
    if (this.#tenant !== undefined) {
      this.#door.leases.remove(this.#tenant);
      void this.#tenant.keeper.close(willMs);
    }
    this.parts.published?.close();
    this.parts.subscribing.close();
    this.parts.delivering.close();
  }

  /** How long the will waits, in ms. */
  #endWill(code: CodeName | undefined): number {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return 0;
    const delayS = this.#willDelayS;
    // DISCONNECT took it back, or the session goes on: its will is not due.
    if (this.#will === undefined || (code === "session_replaced" && delayS > 0)) {
      held.void();
      return 0;
    }
    const waitMs = 1000 * (code === "draining" ? Math.max(delayS, DRAIN_WILL_S) : delayS);
    if (waitMs > 0) this.#waiting = held.key;
    held.due(waitMs);
    return waitMs;
  }

  /** Another connection has the session, on this node or on another. */
  #takenOver(): void {
    this.#tenant?.keeper.abandon();
    this.#door.observer.takenOver();
    this.#hooks.end("session_replaced", undefined);
  }
}
