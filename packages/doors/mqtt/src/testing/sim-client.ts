// Owns: a client of MQTT for the simulation: it keeps its own state as the specification says,
// repeats what was not acknowledged, and notes what it was sent.
import type { SeededRandom } from "@holdfast/core";
import { generate, type IConnectPacket, type Packet, parser } from "mqtt-packet";

/** One connection, as the client sees it: bytes that are lost when it is cut. */
export interface SimWire {
  send(bytes: Uint8Array): void;
  cut(): void;
}

export interface SimClientOptions {
  readonly id: string;
  readonly version: 4 | 5;
  readonly random: SeededRandom;
  readonly qos: 1 | 2;
  /** Filters that it subscribes to once. */
  readonly filters: readonly string[];
  /** Something that must never be. */
  violation(text: string): void;
}

interface Outgoing {
  readonly topic: string;
  readonly text: string;
  readonly pid: number;
  phase: "sent" | "received";
}

type Publish = Extract<Packet, { cmd: "publish" }>;

/** Messages of a client that are under way at once. */
export const WINDOW = 4;

export class SimClient {
  readonly options: SimClientOptions;
  /** What it was sent, in order, by topic. Of QoS 2 each message that it has taken. */
  readonly taken = new Map<string, string[]>();
  /** Texts whose publish was acknowledged to the end. */
  readonly acknowledged = new Set<string>();
  /** Texts in the order in which they were first sent. */
  readonly sent: string[] = [];
  readonly #outgoing: Outgoing[] = [];
  readonly #waiting: { readonly topic: string; readonly text: string }[] = [];
  /** Identifiers of QoS 2 that it has taken and that were not released. */
  readonly #taken2 = new Set<number>();
  #wire: SimWire | undefined;
  #reader = parser();
  #isOpen = false;
  #hadSession = false;
  #isSubscribed = false;
  #lastPid = 0;
  /** Answers that it has yet to give. */
  #answers: Packet[] = [];

  constructor(options: SimClientOptions) {
    this.options = options;
  }

  get isConnected(): boolean {
    return this.#wire !== undefined;
  }

  get isSubscribed(): boolean {
    return this.#isSubscribed;
  }

  /** Nothing of it is under way. */
  get isQuiet(): boolean {
    const { size } = this.#taken2;
    return this.#outgoing.length + this.#waiting.length + this.#answers.length + size === 0;
  }

  connect(wire: SimWire): void {
    this.#wire = wire;
    this.#isOpen = false;
    this.#answers = [];
    const { id, version } = this.options;
    this.#reader = parser({ protocolVersion: version } as IConnectPacket);
    this.#reader.on("packet", (packet) => this.#packet(packet));
    this.#write({
      ...{ cmd: "connect", protocolId: "MQTT", protocolVersion: version, clientId: id },
      ...{ clean: false, keepalive: 120 },
      ...(version === 4 ? {} : { properties: { sessionExpiryInterval: 600, receiveMaximum: 5 } }),
    } as Packet);
  }

  /** The connection is gone. */
  lost(): void {
    this.#wire = undefined;
    this.#isOpen = false;
  }

  publish(topic: string, text: string): void {
    this.#waiting.push({ topic, text });
    this.#sendMore();
  }

  received(bytes: Uint8Array): void {
    this.#reader.parse(Buffer.from(bytes));
  }

  /** Some of the answers that it owes. */
  step(): void {
    const { random } = this.options;
    while (this.#answers.length > 0 && this.#isOpen && random.chance(0.7)) {
      const packet = this.#answers.shift() as Packet;
      if (packet.cmd === "pubcomp") this.#taken2.delete(packet.messageId as number);
      this.#write(packet);
    }
  }

  #write(packet: Packet): void {
    this.#wire?.send(generate(packet, { protocolVersion: this.options.version }));
  }

  #packet(packet: Packet): void {
    switch (packet.cmd) {
      case "connack": {
        const reason = packet.reasonCode ?? packet.returnCode ?? 0;
        if (reason !== 0) return;
        if (this.#hadSession && !packet.sessionPresent)
          this.options.violation(`${this.options.id}: its session was lost`);
        this.#hadSession = true;
        this.#isOpen = true;
        return this.#resume();
      }
      case "suback":
        this.#isSubscribed = packet.granted.every((one) => Number(one) < 0x80);
        return;
      case "publish":
        return this.#take(packet);
      case "pubrel":
        this.#answers.push({ cmd: "pubcomp", messageId: packet.messageId as number });
        return;
      case "puback":
      case "pubcomp":
        return this.#settle(packet.messageId as number, packet.cmd);
      case "pubrec": {
        const one = this.#outgoing.find(({ pid }) => pid === packet.messageId);
        if (one !== undefined) one.phase = "received";
        this.#write({ cmd: "pubrel", messageId: packet.messageId as number });
        return;
      }
      default:
        return;
    }
  }

  /** What was under way before is repeated, in its order. */
  #resume(): void {
    const { filters, qos } = this.options;
    if (!this.#isSubscribed && filters.length > 0)
      this.#write({
        ...{ cmd: "subscribe", messageId: 65_000 },
        subscriptions: filters.map((topic) => ({ topic, qos })),
      } as Packet);
    for (const one of this.#outgoing)
      if (one.phase === "sent") this.#send(one, true);
      else this.#write({ cmd: "pubrel", messageId: one.pid });
    this.#sendMore();
  }

  #sendMore(): void {
    while (this.#isOpen && this.#outgoing.length < WINDOW) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#lastPid = (this.#lastPid % 60_000) + 1;
      const one: Outgoing = { ...next, pid: this.#lastPid, phase: "sent" };
      this.#outgoing.push(one);
      this.sent.push(one.text);
      this.#send(one, false);
    }
  }

  #send({ topic, text, pid }: Outgoing, dup: boolean): void {
    const { qos } = this.options;
    this.#write({ cmd: "publish", topic, payload: text, qos, messageId: pid, dup, retain: false });
  }

  #settle(pid: number, cmd: "puback" | "pubcomp"): void {
    const at = this.#outgoing.findIndex((one) => one.pid === pid);
    const one = this.#outgoing[at];
    if (one === undefined) return;
    if (cmd === "pubcomp" && one.phase === "sent")
      this.options.violation(`${this.options.id}: PUBCOMP before PUBREC for ${one.text}`);
    this.#outgoing.splice(at, 1);
    this.acknowledged.add(one.text);
    this.#sendMore();
  }

  #take({ qos, messageId = 0, topic, payload }: Publish): void {
    const isNew = qos !== 2 || !this.#taken2.has(messageId);
    if (isNew) {
      const texts = this.taken.get(topic);
      if (texts === undefined) this.taken.set(topic, [payload.toString()]);
      else texts.push(payload.toString());
    }
    if (qos === 2) this.#taken2.add(messageId);
    if (qos > 0) this.#answers.push({ cmd: qos === 1 ? "puback" : "pubrec", messageId } as Packet);
  }
}
