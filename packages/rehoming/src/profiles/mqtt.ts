// Owns: the profile of MQTT over WebSocket, versions 3.1.1 and 5 (OASIS), subprotocol mqtt.
import { bytesOf, type Frame } from "../frame.ts";
import type { Profile, ProfileOut, ProfileSession } from "../profile.ts";
import { PacketBoundary } from "./mqtt-boundary.ts";
import { Deliveries } from "./mqtt-deliveries.ts";
import { Login } from "./mqtt-login.ts";
import {
  CONNACK,
  CONNECT,
  DISCONNECT,
  duplicate,
  idOf,
  type Packet,
  PacketReader,
  PINGREQ,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  qosOf,
  SUBACK,
  SUBSCRIBE,
  UNSUBACK,
  UNSUBSCRIBE,
} from "./mqtt-packets.ts";
import { Subscriptions } from "./mqtt-subscriptions.ts";

export interface MqttRules {
  /** Of a packet, in either direction. A longer one ends the client. Default 262,144. */
  readonly packetBytesMax?: number;
  /**
   * Packets of the client that the broker has not acknowledged, from which on the client is read no
   * further. Default 65,536.
   */
  readonly unacknowledgedBytesMax?: number;
  /** How long a broker may be silent after the client's ping. Then it hangs. Default 10,000. */
  readonly pingMsMax?: number;
  /**
   * A broker has no session of a client that had one. `subscribe`: the client's subscriptions are
   * made again, and it goes on. `close`: it is closed with 1012, so that it sees that when it
   * connects. Default `subscribe`.
   */
  readonly lostSession?: "subscribe" | "close";
}

export const MQTT_RULES: Required<MqttRules> = {
  packetBytesMax: 256 * 1024,
  unacknowledgedBytesMax: 64 * 1024,
  pingMsMax: 10_000,
  lostSession: "subscribe",
};

const PING = Uint8Array.of(PINGREQ << 4, 0);
const PONG = Uint8Array.of(PINGRESP << 4, 0);
const GOODBYE = Uint8Array.of(DISCONNECT << 4, 0);
/** Server shutting down, use another server, server moved. */
const MOVES: ReadonlySet<number> = new Set([0x8b, 0x9c, 0x9d]);
const REFUSED = 0x80;
const UNSUPPORTED = 1003;
const MALFORMED = 1002;
const TOO_BIG = 1009;
const RESTART = 1012;

/**
 * CONNECT again with clean start 0. If the broker has the session, it has all that was promised; if
 * not, subscriptions are made again. What the client sent with QoS 1 and 2 and the broker has not
 * acknowledged is sent again, with DUP and its packet id. Holes: QoS 0, and sessions that a broker
 * does not keep.
 */
export function mqtt(rules: MqttRules = {}): Profile {
  return {
    ...{ name: "mqtt", rehomes: true, quietMs: 0 },
    create: (out) => new Mqtt({ ...MQTT_RULES, ...rules }, out),
  };
}

class Mqtt implements ProfileSession {
  readonly attachesAlone = true;
  readonly #rules: Required<MqttRules>;
  readonly #out: ProfileOut;
  readonly #arrived = new PacketBoundary();
  readonly #fromClient: PacketReader;
  #fromUpstream: PacketReader;
  #fromNext: PacketReader;
  #login: Login | undefined;
  #isConnected = false;
  #subscriptions = new Subscriptions(false);
  /**
   * What the client sent and the broker has not answered, by packet id, in the order in which it
   * was sent. Undefined: the broker has the message, and it is the client's turn.
   */
  readonly #unanswered = new Map<number, Packet | undefined>();
  #unansweredBytes = 0;
  #isFull = false;
  readonly #deliveries = new Deliveries();
  /** Of the next broker: whether it has the session, and answers that it owes. */
  #hasSession = false;
  #subscribing = 0;
  /** What it said beyond that. */
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #isOver = false;
  #attempt = 0;
  #heard = 0;
  #isPinging = false;

  constructor(rules: Required<MqttRules>, out: ProfileOut) {
    this.#rules = rules;
    this.#out = out;
    this.#fromClient = new PacketReader(rules.packetBytesMax);
    this.#fromUpstream = new PacketReader(rules.packetBytesMax);
    this.#fromNext = new PacketReader(rules.packetBytesMax);
  }

  get isQuiet(): boolean {
    return this.#unanswered.size === 0;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  get bytes(): number {
    const streams = this.#fromClient.bytes + this.#fromUpstream.bytes + this.#fromNext.bytes;
    const kept = (this.#login?.bytes ?? 0) + this.#subscriptions.bytes + this.#deliveries.bytes;
    return streams + kept + this.#unansweredBytes + this.#earlyBytes;
  }

  /** A ping alone is answered here: there may be no broker for a while. */
  takes(frame: Frame): boolean {
    if (typeof frame === "string") return false;
    const isPing = this.#arrived.isBetween && frame.length === 2 && frame[0] === PING[0];
    if (!isPing || !this.#isConnected) {
      this.#arrived.feed(frame);
      return false;
    }
    this.#ping();
    return true;
  }

  fromClient(frame: Frame): void {
    for (const packet of this.#packets(this.#fromClient, frame)) this.#clientSays(packet);
  }

  fromUpstream(frame: Frame): void {
    this.#heard += 1;
    for (const packet of this.#packets(this.#fromUpstream, frame)) this.#brokerSays(packet);
  }

  /** In MQTT the application's word is a packet. A socket that closes without one means a move. */
  isGone(): boolean {
    return !this.#isOver;
  }

  /** Without it, the broker would tell others by the client's will that it is gone. */
  leave(): void {
    this.#out.toUpstream(GOODBYE);
  }

  attach(): void {
    this.#fromNext = new PacketReader(this.#rules.packetBytesMax);
    this.#early = [];
    this.#earlyBytes = 0;
    const login = this.#login;
    if (login === undefined || !this.#isConnected) this.#out.attached();
    else if (login.hasDialogue)
      this.#out.end(RESTART, "The server restarts, and wants to speak with the client itself");
    else this.#out.toNext(login.again());
  }

  fromNext(frame: Frame): void {
    for (const packet of this.#packets(this.#fromNext, frame)) this.#nextSays(packet);
  }

  switched(): void {
    this.#attempt += 1;
    this.#fromUpstream = this.#fromNext;
    this.#fromNext = new PacketReader(this.#rules.packetBytesMax);
    const login = this.#login;
    if (login === undefined) return;
    // No broker has answered: this one is asked what the client asked.
    if (!this.#isConnected) this.#out.toUpstream(login.packet.bytes);
    else if (this.#hasSession)
      for (const received of this.#deliveries.known()) this.#out.toUpstream(received);
    else for (const release of this.#deliveries.forgotten()) this.#out.toClient(release);
    for (const packet of this.#unanswered.values()) {
      if (packet?.type === PUBLISH) this.#out.toUpstream(duplicate(packet.bytes));
      else if (packet !== undefined) this.#out.toUpstream(packet.bytes);
    }
    const early = this.#early;
    this.#early = [];
    this.#earlyBytes = 0;
    for (const bytes of early)
      for (const packet of new PacketReader(bytes.length).read(bytes))
        if (typeof packet !== "string") this.#brokerSays(packet);
  }

  *#packets(reader: PacketReader, frame: Frame): Generator<Packet> {
    if (typeof frame === "string")
      return this.#out.end(UNSUPPORTED, "MQTT has binary messages alone");
    for (const packet of reader.read(frame)) {
      if (packet === "malformed") return this.#out.end(MALFORMED, "This is no packet of MQTT");
      if (packet === "too large")
        return this.#out.end(TOO_BIG, `A packet has at most ${this.#rules.packetBytesMax} bytes`);
      yield packet;
    }
  }

  #clientSays(packet: Packet): void {
    const { type, bytes } = packet;
    const id = idOf(packet);
    switch (type) {
      case CONNECT:
        this.#login ??= Login.of(packet);
        this.#subscriptions = new Subscriptions(this.#login?.isV5 ?? false);
        break;
      case PUBLISH:
        if (qosOf(packet) > 0 && id !== undefined) this.#waits(id, packet);
        break;
      case PUBREL:
      case SUBSCRIBE:
      case UNSUBSCRIBE:
        if (id !== undefined) this.#waits(id, packet);
        break;
      case PUBACK:
      case PUBREC:
      case PUBCOMP: {
        if (id === undefined) break;
        const done = this.#deliveries.acknowledged(type, id, reasonOf(packet) >= REFUSED);
        if (done === "pass") break;
        if (done.toClient !== undefined) this.#out.toClient(done.toClient);
        return;
      }
      case PINGREQ:
        return this.#ping();
      case DISCONNECT:
        this.#isOver = true;
    }
    this.#out.toUpstream(bytes);
  }

  #brokerSays(packet: Packet): void {
    const { type, bytes } = packet;
    const id = idOf(packet);
    switch (type) {
      case CONNACK:
        return this.#connected(packet);
      case PINGRESP:
        return;
      case PUBLISH:
        if (id === undefined || qosOf(packet) === 0) break;
        if (this.#deliveries.sent(id, qosOf(packet))) break;
        return;
      case PUBREL:
        if (id !== undefined) this.#deliveries.released(id);
        break;
      case PUBREC:
        // Now it is the client's turn.
        if (id === undefined || !this.#unanswered.has(id)) break;
        if (reasonOf(packet) < REFUSED) this.#waits(id, undefined);
        else this.#answered(id);
        break;
      case PUBACK:
      case PUBCOMP:
      case SUBACK:
      case UNSUBACK:
        if (id !== undefined) this.#subscribe(packet, this.#answered(id));
        break;
      case DISCONNECT:
        // Its socket closes now, and the client gets another.
        if (MOVES.has(bytes[packet.at] ?? 0)) return;
        this.#isOver = true;
    }
    this.#out.toClient(bytes);
  }

  /** The first broker's answer. */
  #connected(packet: Packet): void {
    const isWelcome = packet.bytes[packet.at + 1] === 0;
    if (isWelcome) this.#isConnected = true;
    else this.#isOver = true;
    this.#out.toClient(this.#login?.answered(packet) ?? packet.bytes);
  }

  #nextSays(packet: Packet): void {
    const { type, bytes, at } = packet;
    if (type === CONNACK) {
      const code = bytes[at + 1] ?? REFUSED;
      if (code !== 0) return this.#out.refused(`it answered CONNECT with ${code}`);
      this.#hasSession = ((bytes[at] ?? 0) & 1) === 1;
      this.#welcomed();
    } else if (type === SUBACK && this.#subscribing > 0) {
      if (this.#subscriptions.isRefusal(packet))
        return this.#out.refused("it refuses a subscription");
      this.#subscribing -= 1;
      if (this.#subscribing === 0) this.#out.attached();
    } else if (type === DISCONNECT) this.#out.refused("it said goodbye");
    else {
      this.#early.push(bytes.slice());
      this.#earlyBytes += bytesOf(bytes);
    }
  }

  #welcomed(): void {
    const isLost = !this.#hasSession && this.#login?.isPersistent === true;
    if (isLost && this.#rules.lostSession === "close")
      return this.#out.end(RESTART, "The server has no session of this client");
    const again = this.#hasSession ? [] : this.#subscriptions.again();
    this.#subscribing = again.length;
    if (again.length === 0) return this.#out.attached();
    for (const subscribe of again) this.#out.toNext(subscribe);
  }

  #subscribe(answer: Packet, request: Packet | undefined): void {
    if (answer.type === SUBACK && request?.type === SUBSCRIBE)
      this.#subscriptions.subscribed(request, answer);
    if (answer.type === UNSUBACK && request?.type === UNSUBSCRIBE)
      this.#subscriptions.unsubscribed(request);
  }

  #waits(id: number, packet: Packet | undefined): void {
    const kept = packet === undefined ? undefined : { ...packet, bytes: packet.bytes.slice() };
    // A packet that goes on with another keeps its place.
    this.#unansweredBytes += sizeOf(kept) - this.#sizeOf(id);
    this.#unanswered.set(id, kept);
    this.#isFull ||= this.#unansweredBytes > this.#rules.unacknowledgedBytesMax;
  }

  /** What it was about. */
  #answered(id: number): Packet | undefined {
    const packet = this.#unanswered.get(id);
    this.#unansweredBytes -= this.#sizeOf(id);
    this.#unanswered.delete(id);
    this.#isFull &&= this.#unansweredBytes > this.#rules.unacknowledgedBytesMax / 2;
    return packet;
  }

  #sizeOf(id: number): number {
    return this.#unanswered.has(id) ? sizeOf(this.#unanswered.get(id)) : 0;
  }

  /** The client's is answered at once. The broker gets it, too, and must say something then. */
  #ping(): void {
    this.#out.toClient(PONG);
    this.#out.toUpstream(PING);
    if (this.#isPinging) return;
    this.#isPinging = true;
    const [attempt, heard] = [this.#attempt, this.#heard];
    this.#out.after(this.#rules.pingMsMax, () => {
      this.#isPinging = false;
      if (this.#attempt === attempt && this.#heard === heard)
        this.#out.lost(`silent for ${this.#rules.pingMsMax} ms after a ping`);
    });
  }
}

const ID_BYTES = 64;
const sizeOf = (packet: Packet | undefined): number => ID_BYTES + (packet?.bytes.length ?? 0);

/** Of an acknowledgement of MQTT 5; 0 if there is none. */
const reasonOf = ({ bytes, at }: Packet): number => bytes[at + 2] ?? 0;
