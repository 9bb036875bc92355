// Owns: one MQTT connection: its beginning, its packets in order, its end. The parts beside it know
// what each kind of packet means.
import type { Connection, DoorClient, DoorCodec, Link } from "@holdfast/core";
import type { CodeName, Encoded, ServerFrame } from "@holdfast/protocol";
import { textOf } from "@holdfast/protocol/node";
import { NOTHING } from "./bytes.ts";
import { type ClientParts, createClientParts } from "./client-parts.ts";
import { type ClientPacket, type ConnectPacket, decodePacket, type Version } from "./decode.ts";
import type { Accepted, DoorParts } from "./door-parts.ts";
import { encodeConnack, encodeDisconnect, encodeSuback, joinBytes, PINGRESP } from "./encode.ts";
import { Framer } from "./framer.ts";
import { MqttLink } from "./link.ts";
import { connackReason, disconnectReason, type Fault, REASON } from "./reason.ts";

/** Bytes that are read ahead while packets wait, before the link is told to stop. */
const READ_AHEAD_BYTES = 16 * 1024;
const CLIENT_ID_LENGTH_MAX = 256;

/** What there is once CONNECT was read. */
interface Begun extends ClientParts {
  readonly packet: ConnectPacket;
  readonly clientId: string;
  readonly version: Version;
}

/** Why the connection ends, as MQTT says it, if that is not what the engine's code says. */
interface Ending {
  readonly reason: number;
  readonly text: string | undefined;
}

export class MqttClient implements DoorClient {
  readonly connection: Connection;
  readonly #parts: DoorParts;
  readonly #accepted: Accepted;
  readonly #link: MqttLink;
  readonly #framer = new Framer();
  #begun: Begun | undefined;
  /** `connecting`: the engine has yet to answer, and packets wait. */
  #phase: "new" | "connecting" | "open" | "over" = "new";
  #ending: Ending | undefined;
  #lastId = 0;
  #isReading = false;
  /** Channels that the engine was asked to subscribe to. `isNew`: with what they keep. */
  readonly #asked = new Map<number, { readonly channel: string; readonly isNew: boolean }>();

  constructor(parts: DoorParts, link: Link, accepted: Accepted) {
    this.#parts = parts;
    this.#accepted = accepted;
    this.#link = new MqttLink(link, () => this.#begun?.delivering.waitingBytes ?? 0);
    const codec: DoorCodec = {
      name: "mqtt",
      shared: false,
      encode: (frame) => this.#encode(frame),
      join: joinBytes,
    };
    this.connection = parts.engine.open(this.#link, codec);
  }

  // ---- what the transport tells ----

  message(message: Encoded): void {
    if (this.#phase === "over") return;
    if (typeof message === "string")
      return this.#fail({ reason: REASON.protocolError, text: "text, expected binary messages" });
    this.#framer.push(message);
    this.#read();
  }

  processed(ms: number): void {
    this.#parts.engine.processed(this.connection, ms);
  }

  writable(): void {
    this.#parts.engine.writable(this.connection);
  }

  alive(): void {
    this.#parts.engine.alive(this.connection);
  }

  closed(isClean = false): void {
    this.#over();
    this.#parts.engine.closed(this.connection, isClean);
  }

  /** A newer connection has this client's identifier. */
  takenOver(): void {
    this.#parts.engine.refuse(this.connection, "session_replaced");
  }

  // ---- packets ----

  #read(): void {
    // A packet's handling may come back here, by what the engine answers within the call.
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (!this.#isBlocked()) {
        const raw = this.#framer.next(this.#parts.engine.limits().messageBytesMax);
        if (raw === undefined) break;
        const packet = "reason" in raw ? raw : decodePacket(raw, this.#begun?.version ?? 5);
        const fault = "text" in packet ? packet : this.#take(packet);
        if (fault !== undefined) return this.#fail(fault);
      }
    } finally {
      this.#isReading = false;
    }
    this.#link.hold(this.#isBlocked() && this.#framer.waiting > READ_AHEAD_BYTES);
  }

  #isBlocked(): boolean {
    if (this.#phase === "connecting" || this.#phase === "over") return true;
    return this.#begun?.publishing.isBlocked ?? false;
  }

  #take(packet: ClientPacket): Fault | undefined {
    if (this.#phase === "new")
      return packet.t === "connect"
        ? this.#connect(packet)
        : { reason: REASON.protocolError, text: `${packet.t} before CONNECT` };
    const begun = this.#begun;
    if (begun === undefined) return undefined;
    const { publishing, subscribing, delivering } = begun;
    // What the engine is not given counts as a sign of life all the same.
    if (packet.t !== "publish") this.#parts.engine.alive(this.connection);
    switch (packet.t) {
      case "publish":
        return publishing.publish(packet);
      case "puback":
      case "pubrec":
      case "pubcomp":
        return this.#answer(delivering.acknowledged(packet));
      case "pubrel":
        return this.#answer(publishing.release(packet.pid));
      case "subscribe":
        subscribing.subscribe(packet);
        return undefined;
      case "unsubscribe": {
        const { version } = begun;
        const reasons = subscribing.unsubscribe(packet.filters);
        return this.#answer(encodeSuback("unsuback", { version, pid: packet.pid, reasons }));
      }
      case "pingreq":
        return this.#answer(PINGRESP);
      case "disconnect":
        return this.#leave();
      case "auth":
        return { reason: REASON.protocolError, text: "AUTH without an authentication method" };
      case "connect":
        return { reason: REASON.protocolError, text: "a second CONNECT" };
    }
  }

  #answer(bytes: Uint8Array): undefined {
    if (bytes.length > 0) this.connection.answer(bytes);
  }

  // ---- beginning ----

  #connect(packet: ConnectPacket): Fault | undefined {
    const { properties, version } = packet;
    const isAssigned = packet.clientId === "";
    const clientId = isAssigned ? `auto-${this.#parts.random.id()}` : packet.clientId;
    this.#begun = this.#begin(packet, clientId);
    if (clientId.length > CLIENT_ID_LENGTH_MAX || (isAssigned && version === 4 && !packet.clean))
      return {
        reason: REASON.clientIdInvalid,
        text: `a client identifier of ${packet.clientId.length} characters`,
      };
    if (properties.authMethod !== undefined)
      return {
        reason: REASON.badAuthenticationMethod,
        text: "an authentication method, expected a password",
      };
    const { identity } = this.#accepted;
    const token = identity === undefined ? tokenOf(packet) : undefined;
    if (identity === undefined && token === undefined && packet.user !== undefined)
      return { reason: REASON.badUserNameOrPassword, text: "a user name without a token" };
    this.#phase = "connecting";
    const item = {
      t: "connect" as const,
      id: this.#nextId(),
      client: `mqtt/${version === 4 ? "3.1.1" : "5"}`,
      idleMs: this.#keepAliveS(packet) * 1500,
      ...(token === undefined ? {} : { token }),
      ...(identity === undefined ? {} : { identity }),
    };
    this.#parts.engine.receive(this.connection, [item], 64 + (token?.length ?? 0));
    return undefined;
  }

  #begin(packet: ConnectPacket, clientId: string): Begun {
    const { engine, clock } = this.#parts;
    const parts = createClientParts(this.#parts, packet, {
      connection: this.connection,
      nextId: () => this.#nextId(),
      goOn: () => clock.defer(() => this.#read()),
      subscribe: (channel, isNew) => this.#subscribe(channel, isNew),
      end: (code, reason, text) => this.#end(code, { reason, text }),
      answer: (bytes) => void this.#answer(bytes),
      ask: (item, length) => engine.receive(this.connection, [item], length),
    });
    return { packet, clientId, version: packet.version, ...parts };
  }

  /** 0: the client announces nothing, so the most that a client may be silent counts. */
  #keepAliveS({ keepAliveS }: ConnectPacket): number {
    const max = this.#parts.settings().keepAliveSecondsMax;
    return keepAliveS === 0 ? max : Math.min(keepAliveS, max);
  }

  #subscribe(ch: string, isNew: boolean): void {
    const id = this.#nextId();
    this.#asked.set(id, { channel: ch, isNew });
    const last = isNew ? { last: LAST } : {};
    this.#parts.engine.receive(this.connection, [{ t: "subscribe", id, ch, ...last }], 32);
  }

  #connected(begun: Begun): Uint8Array {
    this.#phase = "open";
    const { packet, clientId, version } = begun;
    const { settings, registry, engine, clock } = this.#parts;
    registry.begin(this.#key(clientId), this);
    clock.defer(() => this.#read());
    const keepAliveS = this.#keepAliveS(packet);
    return encodeConnack({
      version,
      sessionPresent: false,
      reason: REASON.success,
      properties: {
        ...(packet.clientId === "" ? { assignedClientId: clientId } : {}),
        ...(keepAliveS === packet.keepAliveS ? {} : { serverKeepAliveS: keepAliveS }),
        ...(packet.properties.sessionExpiryS === undefined ? {} : { sessionExpiryS: 0 }),
        receiveMax: settings().receiveMax,
        aliasMax: settings().topicAliasMax,
        retainAvailable: 0,
        sharedAvailable: 0,
        packetBytesMax: engine.limits().messageBytesMax,
      },
    });
  }

  /** Identifiers of one user are no other user's: nobody can end another's connection with one. */
  #key(clientId: string): string {
    const { user = "" } = this.connection.identity;
    return `${user.length}:${user}:${clientId}`;
  }

  // ---- the engine's frames ----

  #encode(frame: ServerFrame): Uint8Array {
    const begun = this.#begun;
    if (frame.t === "goodbye") return this.#goodbye(frame.name as CodeName, frame.msg);
    if (begun === undefined) return NOTHING;
    switch (frame.t) {
      case "pub":
        return begun.delivering.publication(frame);
      case "published":
        return begun.publishing.published(frame.id) ?? NOTHING;
      case "err":
        return this.#failed(begun, frame.id, frame.name as CodeName, frame.retryMs);
      case "connected":
        return this.#connected(begun);
      case "subscribed":
        this.#asked.delete(frame.id);
        begun.subscribing.subscribed(frame);
        return NOTHING;
      case "unsubscribed": {
        const text = `the subscription to channel ${frame.ch} was ended`;
        // Not within the engine's own work for this connection.
        this.#parts.clock.defer(() =>
          this.#end("disconnected", { reason: REASON.notAuthorized, text }),
        );
        return NOTHING;
      }
      default:
        return NOTHING;
    }
  }

  #failed(begun: Begun, id: number, code: CodeName, retryMs: number | undefined): Uint8Array {
    const answer = begun.publishing.failed(id, code, retryMs);
    if (answer !== undefined) return answer;
    const asked = this.#asked.get(id);
    if (asked === undefined) return NOTHING;
    const { channel, isNew } = asked;
    this.#asked.delete(id);
    // Whoever may not read the history gets what comes from now on.
    if (isNew && code !== "channel_unknown")
      this.#parts.clock.defer(() => this.#subscribe(channel, false));
    else begun.subscribing.failed(channel, code);
    return NOTHING;
  }

  // ---- the end ----

  /** The client broke a rule. */
  #fail({ reason, text }: Fault): void {
    const code: CodeName = reason === REASON.packetTooLarge ? "frame_too_large" : "frame_invalid";
    this.#end(code, { reason, text: `found ${text}` });
  }

  #end(code: CodeName, ending: Ending): void {
    if (this.#phase === "over") return;
    this.#ending = ending;
    this.#parts.engine.refuse(this.connection, code, ending.text);
  }

  /** The last packet: CONNACK before the connection is open, or else DISCONNECT. */
  #goodbye(code: CodeName, message: string): Uint8Array {
    const begun = this.#begun;
    const phase = this.#phase;
    this.#over();
    if (begun === undefined)
      return this.#ending?.reason === REASON.unsupportedVersion ? OLD_VERSION : NOTHING;
    const { version } = begun;
    if (phase !== "open") {
      const reason = this.#ending?.reason ?? connackReason(code);
      const properties = { reasonString: this.#ending?.text ?? message };
      return encodeConnack({ version, sessionPresent: false, reason, properties });
    }
    if (version === 4) return NOTHING;
    return encodeDisconnect(
      this.#ending?.reason ?? disconnectReason(code),
      this.#ending?.text ?? message,
    );
  }

  #leave(): undefined {
    this.#over();
    this.#parts.engine.receive(this.connection, [{ t: "bye" }], 2);
  }

  #over(): void {
    if (this.#phase === "over") return;
    const begun = this.#begun;
    if (this.#phase === "open" && begun !== undefined)
      this.#parts.registry.end(this.#key(begun.clientId), this);
    this.#phase = "over";
    begun?.publishing.close();
    begun?.subscribing.close();
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }
}

/** CONNACK as every version of MQTT reads it: the protocol's level is not spoken here. */
const OLD_VERSION = Uint8Array.of(0x20, 2, 0, 1);
/** Publications of a channel that began after a filter with a wildcard. */
const LAST = 1000;

/** The password, which is a token. Undefined: there is none, or it is no text. */
function tokenOf({ password }: ConnectPacket): string | undefined {
  if (password === undefined || password.length === 0) return undefined;
  try {
    return textOf(password, 0, password.length);
  } catch {
    return "";
  }
}
