// Owns: one MQTT connection: its packets in order, what the engine says to it, its end. What its
// session is and how it begins is in session.ts.
import type { Connection, DoorClient, DoorCodec, Link } from "@holdfast/core";
import type { CodeName, Encoded, ServerFrame } from "@holdfast/protocol";
import { textOf } from "@holdfast/protocol/node";
import { NOTHING } from "./bytes.ts";
import { type ClientPacket, type ConnectPacket, decodePacket } from "./decode.ts";
import type { Accepted, DoorParts } from "./door-parts.ts";
import { encodeConnack, encodeDisconnect, encodeSuback, joinBytes, PINGRESP } from "./encode.ts";
import { Framer, type RawPacket } from "./framer.ts";
import { MqttLink } from "./link.ts";
import { connackReason, disconnectReason, type Fault, REASON } from "./reason.ts";
import { Session, type SessionHooks } from "./session.ts";
import { reasonName } from "./totals.ts";

/** Bytes that are read ahead while packets wait, before the link is told to stop. */
const READ_AHEAD_BYTES = 16 * 1024;
/** Waits at nobody's cost: most packets come whole. */
const FREE_BYTES = 2048;
const CLIENT_ID_LENGTH_MAX = 256;
/** CONNACK as every version of MQTT reads it: the protocol's level is not spoken here. */
const OLD_VERSION = Uint8Array.of(0x20, 2, 0, 1);

export class MqttClient implements DoorClient, SessionHooks {
  readonly connection: Connection;
  readonly #parts: DoorParts;
  readonly #accepted: Accepted;
  readonly #link: MqttLink;
  readonly #framer = new Framer();
  #session: Session | undefined;
  /** `connecting`: the engine or the broker has yet to answer, and packets wait. */
  #phase: "new" | "connecting" | "open" | "over" = "new";
  /** Why it ends, as MQTT says it, if that is not what the engine's code says. */
  #ending: Fault | undefined;
  clientId = "";
  #lastId = 0;
  #isReading = false;
  /** What the engine knows that waits here. */
  #heldBytes = 0;

  constructor(parts: DoorParts, link: Link, accepted: Accepted) {
    this.#parts = parts;
    this.#accepted = accepted;
    this.#link = new MqttLink(link, () => this.#session?.parts.delivering.waitingBytes ?? 0);
    const codec: DoorCodec = {
      name: "mqtt",
      shared: false,
      encode: (frame) => {
        const bytes = this.#encode(frame);
        if (bytes.length > 0) parts.totals.leaves(bytes);
        return bytes;
      },
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
    this.#over(undefined);
    this.#parts.engine.closed(this.connection, isClean);
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
        const version = this.#session?.version ?? 5;
        const packet = "reason" in raw ? raw : decodePacket(raw, version);
        const fault = "text" in packet ? packet : this.#charged(packet, raw);
        if (fault !== undefined) return this.#fail(fault);
      }
    } finally {
      this.#isReading = false;
    }
    this.#holdWaiting();
    this.#link.hold(this.#isBlocked() && this.#framer.waiting > READ_AHEAD_BYTES);
  }

  /**
   * The engine counts what it is given. What it is not given counts here, but for acknowledgements
   * of something: there are as many as the node has sent.
   */
  #charged(packet: ClientPacket, raw: RawPacket | Fault): Fault | undefined {
    this.#parts.totals.came("type" in raw ? raw.type : 0);
    const before = this.#lastId;
    const useful = this.#session?.parts.useful ?? 0;
    const fault = this.#take(packet);
    const isUseful = (this.#session?.parts.useful ?? 0) !== useful;
    if (packet.t === "connect" || fault !== undefined || isUseful || this.#phase === "over")
      return fault;
    const asked = this.#lastId - before;
    const left = "filters" in packet ? packet.filters.length - asked : 1 - asked;
    const bytes = "from" in raw ? raw.to - raw.from : 0;
    if (left > 0) this.#parts.engine.costs.took(this.connection, left, bytes);
    return undefined;
  }

  /** What waits here, beyond what any client may have, is held for its user or address. */
  #holdWaiting(): void {
    const waiting = this.#phase === "over" ? 0 : this.#framer.waiting;
    const more = Math.max(0, waiting - FREE_BYTES) - this.#heldBytes;
    if (more === 0) return;
    this.#heldBytes += more;
    this.#parts.engine.costs.hold(this.connection, more);
  }

  #isBlocked(): boolean {
    if (this.#phase === "connecting" || this.#phase === "over") return true;
    return this.#session?.parts.published?.isBlocked ?? false;
  }

  #take(packet: ClientPacket): Fault | undefined {
    if (this.#phase === "new")
      return packet.t === "connect"
        ? this.#connect(packet)
        : { reason: REASON.protocolError, text: `${packet.t} before CONNECT` };
    const session = this.#session;
    if (session === undefined) return undefined;
    const { subscribing, delivering } = session.parts;
    // What the engine is not given counts as a sign of life all the same.
    if (packet.t !== "publish") this.#parts.engine.alive(this.connection);
    switch (packet.t) {
      case "publish":
        return session.parts.publishing.publish(packet);
      case "puback":
      case "pubrec":
      case "pubcomp":
        return this.#answer(delivering.acknowledged(packet));
      case "pubrel":
        session.parts.publishing.release(packet.pid);
        return undefined;
      case "subscribe":
        subscribing.subscribe(packet);
        return undefined;
      case "unsubscribe": {
        const { version } = session;
        const { pid, filters } = packet;
        const reasons = subscribing.unsubscribe(filters);
        session.durably(() => this.#answer(encodeSuback("unsuback", { version, pid, reasons })));
        return undefined;
      }
      case "pingreq":
        return this.#answer(PINGRESP);
      case "disconnect":
        return this.#leave(session, packet);
      case "auth":
        return { reason: REASON.protocolError, text: "AUTH without an authentication method" };
      case "connect":
        return { reason: REASON.protocolError, text: "a second CONNECT" };
    }
  }

  #answer(bytes: Uint8Array): undefined {
    if (bytes.length === 0) return;
    this.#parts.totals.leaves(bytes);
    this.connection.answer(bytes);
  }

  // ---- what its session asks ----

  answer(bytes: Uint8Array): void {
    this.#answer(bytes);
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  read(): void {
    this.#read();
  }

  end(code: CodeName, fault: Fault | undefined): void {
    this.#end(code, fault);
  }

  // ---- beginning ----

  #connect(packet: ConnectPacket): Fault | undefined {
    const { properties, version } = packet;
    const isAssigned = packet.clientId === "";
    const clientId = isAssigned ? `auto-${this.#parts.random.id()}` : packet.clientId;
    this.clientId = clientId;
    const session = new Session(this.#parts, packet, this);
    this.#session = session;
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
    const wrong = session.readWill();
    if (wrong !== undefined) return wrong;
    const { identity } = this.#accepted;
    const token = identity === undefined ? tokenOf(packet) : undefined;
    if (identity === undefined && token === undefined && packet.user !== undefined)
      return { reason: REASON.badUserNameOrPassword, text: "a user name without a token" };
    this.#phase = "connecting";
    const item = {
      t: "connect" as const,
      id: 0,
      client: `mqtt/${version === 4 ? "3.1.1" : "5"}`,
      idleMs: session.keepAliveS * 1500,
      ...(token === undefined ? {} : { token }),
      ...(identity === undefined ? {} : { identity }),
    };
    this.#parts.engine.receive(this.connection, [item], 64 + (token?.length ?? 0));
    return undefined;
  }

  async #open(session: Session): Promise<void> {
    const connack = await session.open(() => this.#phase === "connecting");
    if (connack === undefined) return;
    this.#phase = "open";
    this.#parts.totals.leaves(connack);
    this.connection.enqueue(connack);
    session.begin();
    this.#read();
  }

  // ---- the engine's frames ----

  #encode(frame: ServerFrame): Uint8Array {
    const session = this.#session;
    if (frame.t === "goodbye") return this.#goodbye(frame.name as CodeName, frame.msg);
    if (session === undefined) return NOTHING;
    switch (frame.t) {
      case "pub":
        return (
          session.parts.reading?.publication(frame) ?? session.parts.delivering.publication(frame)
        );
      case "published":
        return session.parts.published?.published(frame.id) ?? NOTHING;
      case "err":
        return (
          session.parts.published?.failed(frame.id, frame.name as CodeName, frame.retryMs) ??
          session.failed(frame.id, frame.name as CodeName)
        );
      case "connected":
        // Not within the engine's own work for this connection.
        this.#parts.clock.defer(() => void this.#open(session));
        return NOTHING;
      case "subscribed":
        session.subscribed(frame);
        return NOTHING;
      case "gap":
        return session.gap(frame);
      case "unsubscribed": {
        const text = `the subscription to channel ${frame.ch} was ended`;
        this.#parts.clock.defer(() =>
          this.#end("disconnected", { reason: REASON.notAuthorized, text }),
        );
        return NOTHING;
      }
      default:
        return NOTHING;
    }
  }

  // ---- the end ----

  /** The client broke a rule. */
  #fail({ reason, text }: Fault): void {
    const code: CodeName = reason === REASON.packetTooLarge ? "frame_too_large" : "frame_invalid";
    this.#end(code, { reason, text: `found ${text}` });
  }

  #end(code: CodeName, ending: Fault | undefined): void {
    if (this.#phase === "over") return;
    this.#ending = ending;
    this.#parts.engine.refuse(this.connection, code, ending?.text);
  }

  /** The last packet: CONNACK before the connection is open, or else DISCONNECT. */
  #goodbye(code: CodeName, message: string): Uint8Array {
    const session = this.#session;
    const phase = this.#phase;
    const { observer } = this.#parts;
    this.#over(code);
    if (phase !== "open") {
      const reason = this.#ending?.reason ?? connackReason(code);
      // Nobody is told: there was no CONNECT to answer.
      observer.ended(code === "handshake_timeout" ? code : reasonName(reason), "connack");
      if (session === undefined)
        return reason === REASON.unsupportedVersion ? OLD_VERSION : NOTHING;
      const { version } = session;
      const properties = { reasonString: this.#ending?.text ?? message };
      return encodeConnack({ version, sessionPresent: false, reason, properties });
    }
    const reason = this.#ending?.reason ?? disconnectReason(code);
    observer.ended(reasonName(reason), "disconnect");
    if (session === undefined || session.version === 4) return NOTHING;
    return encodeDisconnect(reason, this.#ending?.text ?? message);
  }

  #leave(session: Session, packet: Extract<ClientPacket, { t: "disconnect" }>): Fault | undefined {
    const wrong = session.leave(packet);
    if (wrong !== undefined) return wrong;
    this.#over(undefined);
    this.#parts.engine.receive(this.connection, [{ t: "bye" }], 2);
    return undefined;
  }

  #over(code: CodeName | undefined): void {
    if (this.#phase === "over") return;
    const wasOpen = this.#phase === "open";
    this.#phase = "over";
    this.#session?.close(code, wasOpen);
  }
}

/** The password, which is a token. Undefined: there is none; empty: it is no text. */
function tokenOf({ password }: ConnectPacket): string | undefined {
  if (password === undefined || password.length === 0) return undefined;
  try {
    return textOf(password, 0, password.length);
  } catch {
    return "";
  }
}
