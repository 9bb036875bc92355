// Owns: what a client publishes: from PUBLISH to the engine, and its acknowledgement when the
// broker has it. What cannot be taken now is tried again, and meanwhile nothing more is read.
import { backoffMs, type DoorPublish, type Random } from "@holdfast/core";
import type { CodeName } from "@holdfast/protocol";
import { isUtf8 } from "@holdfast/protocol/node";
import { NOTHING } from "./bytes.ts";
import type { PublishPacket, Qos, Version } from "./decode.ts";
import { encodeAck } from "./encode.ts";
import { dataOf, writeMeta } from "./message.ts";
import { type Fault, PASSING, pubackReason, REASON } from "./reason.ts";
import type { KeptInbound } from "./state.ts";
import type { Topics } from "./topics.ts";

/** What publishing needs of its client. */
export interface PublishingNeeds {
  readonly version: Version;
  readonly topics: Topics;
  /** The channel keeps the newest for each key. */
  isLatest(channel: string): boolean;
  readonly receiveMax: number;
  readonly aliasMax: number;
  readonly random: Pick<Random, "next">;
  nowMs(): number;
  /** Hands the item to the engine, which may answer within the call. */
  ask(item: DoorPublish, length: number): void;
  /** Sends bytes that the client caused. */
  answer(bytes: Uint8Array): void;
  nextId(): number;
  after(delayMs: number, task: () => void): () => void;
  /** Packets that were not read yet may be. */
  goOn(): void;
  /** It could not be published for so long that the client should reach another node. */
  giveUp(): void;
  /** Names the session in idempotency keys. */
  sessionId(): string;
  /** Runs `then` when what the session knows now is kept. */
  durably(then: () => void): void;
  changed(): void;
  /** A publish was refused for good. */
  refused(code: CodeName): void;
  /** A message is to be retained. */
  retains(bytes: number): void;
}

interface Job {
  readonly qos: Qos;
  readonly pid: number;
  readonly item: Omit<DoorPublish, "id">;
  /** What is published behind it, before it is acknowledged: the retained copy. */
  readonly next?: Omit<DoorPublish, "id"> | undefined;
  readonly beganMs: number;
  attempts: number;
}

/**
 * A message of QoS 2. `asking`: the broker has yet to answer. `taken`: it has it, and PUBREL has
 * yet to come. `unsure`: an earlier connection asked, and the client will send it again.
 */
interface Inbound {
  readonly number: number;
  phase: "asking" | "taken" | "unsure";
}

/** After so long without the broker the client is told to look elsewhere. */
const BROKER_MS_MAX = 15_000;
/** So long at least: what is refused counts towards a flood. */
const RETRY_MS_MIN = 200;
/** Waiting for another try at most. */
const RETRY_MS_MAX = 5000;

export class Publishing {
  readonly #needs: PublishingNeeds;
  readonly #jobs = new Map<number, Job>();
  #held: Job[] = [];
  #cancelRetry: (() => void) | undefined;
  readonly #aliases: Map<number, string> = new Map();
  readonly #inbound = new Map<number, Inbound>();
  /** How often a PUBREL was of something. */
  useful = 0;
  #lastNumber = 0;
  /** The session was there before the connection. */
  #isBack = false;
  /** Messages of QoS 1 and 2 that the broker has yet to answer. */
  #asking = 0;

  constructor(needs: PublishingNeeds) {
    this.#needs = needs;
  }

  /** Nothing more may be read now. */
  get isBlocked(): boolean {
    return this.#held.length > 0 || this.#asking >= this.#needs.receiveMax;
  }

  /** Undefined: it was taken, or was answered. */
  publish(packet: PublishPacket): Fault | undefined {
    const { qos, pid, properties } = packet;
    const topic = this.#topicOf(packet);
    if (typeof topic !== "string") return topic;
    const known = qos === 2 ? this.#inbound.get(pid) : undefined;
    if (known?.phase === "taken") this.#ack(packet, REASON.success);
    if (known !== undefined && known.phase !== "unsure") return undefined;
    if (qos === 2 && known === undefined && this.#inbound.size >= this.#needs.receiveMax)
      return {
        reason: REASON.receiveMaximumExceeded,
        text: `more than ${this.#needs.receiveMax} messages of QoS 2 without PUBREL`,
      };
    const place = topic.startsWith("$") ? undefined : this.#needs.topics.placeOf(topic);
    if (place === undefined) return this.#refuse(packet, "channel_unknown");
    const isText = properties.payloadFormat !== 1 || isUtf8(packet.bytes, packet.from, packet.to);
    const data = isText ? dataOf(packet, place.payload) : undefined;
    if (data === undefined) return this.#refuse(packet, "payload_invalid");
    const meta = writeMeta({
      qos,
      retain: packet.retain,
      expiryS: properties.messageExpiryS,
      passedOn: packet.passedOn,
    });
    if (meta === undefined) return this.#refuse(packet, "payload_too_large");
    const hasKey = !place.isPlain || this.#needs.isLatest(place.channel);
    const key = hasKey ? { k: topic } : {};
    const item = { t: "publish" as const, ch: place.channel, ...key, data, meta };
    const next =
      packet.retain && place.retained !== undefined
        ? { ...item, ch: place.retained, k: topic }
        : undefined;
    if (packet.retain) this.#needs.retains(packet.to - packet.from);
    const job = { qos, pid, next, beganMs: this.#needs.nowMs(), attempts: 0 };
    if (qos === 2) this.#once2({ ...job, item }, known);
    else {
      if (qos === 1) this.#asking += 1;
      // Of QoS 0 nobody waits for an answer: the client may be gone when there is one.
      const isAtOnce = qos === 0 && next !== undefined;
      this.#ask(isAtOnce ? { ...job, item, next: undefined } : { ...job, item });
      if (isAtOnce) this.#ask({ ...job, item: next, next: undefined });
    }
    return undefined;
  }

  /** Which messages of QoS 2 an earlier connection has not finished. */
  restore(kept: readonly KeptInbound[], lastNumber: number): void {
    this.#isBack = true;
    this.#lastNumber = lastNumber;
    for (const { pid, number, isTaken } of kept)
      this.#inbound.set(pid, { number, phase: isTaken ? "taken" : "unsure" });
  }

  snapshot(): { readonly inbound: readonly KeptInbound[]; readonly lastNumber: number } {
    const inbound = [...this.#inbound].map(([pid, { number, phase }]) => ({
      pid,
      number,
      isTaken: phase === "taken",
    }));
    return { inbound, lastNumber: this.#lastNumber };
  }

  /**
   * PUBREL: the identifier is free again. If that were forgotten, the next message with it would be
   * taken for a repetition: so PUBCOMP waits until it is kept.
   */
  release(pid: number): void {
    const { version } = this.#needs;
    const answer = (bytes: Uint8Array): void => this.#needs.answer(bytes);
    const known = this.#inbound.get(pid);
    if (known === undefined || known.phase === "asking") {
      // No error in a session that goes on: an earlier PUBCOMP was lost. Clients take it for one.
      const reason = this.#isBack ? REASON.success : REASON.packetIdNotFound;
      return answer(encodeAck("pubcomp", { version, pid, reason }));
    }
    this.#inbound.delete(pid);
    this.useful += 1;
    this.#needs.durably(() => answer(encodeAck("pubcomp", { version, pid })));
  }

  /** The broker has the publication of the item; undefined: the item was none of these. */
  published(id: number): Uint8Array | undefined {
    const job = this.#jobs.get(id);
    if (job === undefined) return undefined;
    this.#jobs.delete(id);
    if (job.next !== undefined) {
      this.#ask({ ...job, item: job.next, next: undefined });
      return NOTHING;
    }
    return this.#done(job, REASON.success);
  }

  /** The engine refused the item. */
  failed(id: number, code: CodeName, retryMs: number | undefined): Uint8Array | undefined {
    const job = this.#jobs.get(id);
    if (job === undefined) return undefined;
    this.#jobs.delete(id);
    const isRate = code === "rate_limited" || code === "broker_busy";
    if (PASSING.has(code) && (job.qos > 0 || isRate)) {
      if (isRate || this.#needs.nowMs() - job.beganMs < BROKER_MS_MAX) this.#hold(job, retryMs);
      else this.#needs.giveUp();
      return NOTHING;
    }
    this.#needs.refused(code);
    if (job.qos === 2 && pubackReason(code) >= 0x80 && this.#needs.version === 5)
      this.#inbound.delete(job.pid);
    return this.#done(job, pubackReason(code));
  }

  close(): void {
    this.#cancelRetry?.();
    this.#held = [];
    this.#jobs.clear();
  }

  /**
   * A message of QoS 2 has a number, which is kept before the broker is asked: if it comes again,
   * on whatever node, it is published with the same idempotency key.
   */
  #once2(job: Job, known: Inbound | undefined): void {
    if (known === undefined) this.#lastNumber += 1;
    const inbound: Inbound = { number: known?.number ?? this.#lastNumber, phase: "asking" };
    this.#inbound.set(job.pid, inbound);
    this.#asking += 1;
    const idem = { idem: String(inbound.number), idemScope: this.#needs.sessionId() };
    const next = job.next === undefined ? undefined : { ...job.next, ...idem };
    const keyed = { ...job, item: { ...job.item, ...idem }, next };
    if (known === undefined) this.#needs.durably(() => this.#ask(keyed));
    else this.#ask(keyed);
  }

  #topicOf({ topic, properties: { alias } }: PublishPacket): string | Fault {
    if (alias === undefined) return topic;
    if (alias > this.#needs.aliasMax)
      return {
        reason: REASON.topicAliasInvalid,
        text: `topic alias ${alias}, expected at most ${this.#needs.aliasMax}`,
      };
    if (topic !== "") this.#aliases.set(alias, topic);
    const known = this.#aliases.get(alias);
    return known ?? { reason: REASON.protocolError, text: `topic alias ${alias} without a topic` };
  }

  #refuse(packet: PublishPacket, code: CodeName): undefined {
    this.#needs.refused(code);
    this.#ack(packet, pubackReason(code));
    return undefined;
  }

  #ack({ qos, pid }: Pick<PublishPacket, "qos" | "pid">, reason: number): void {
    const bytes = this.#ackOf(qos, pid, reason);
    if (bytes.length > 0) this.#needs.answer(bytes);
  }

  /** MQTT 3.1.1 has no negative acknowledgement: a refusal for good is acknowledged. */
  #ackOf(qos: Qos, pid: number, reason: number): Uint8Array {
    const { version } = this.#needs;
    if (qos === 0) return NOTHING;
    return encodeAck(qos === 1 ? "puback" : "pubrec", { version, pid, reason });
  }

  #done({ qos, pid }: Job, reason: number): Uint8Array {
    if (qos > 0) this.#asking -= 1;
    const known = qos === 2 ? this.#inbound.get(pid) : undefined;
    if (known !== undefined) {
      known.phase = "taken";
      this.#needs.changed();
    }
    // It was at its limit: nothing more was read.
    if (qos > 0 && this.#asking === this.#needs.receiveMax - 1) this.#needs.goOn();
    return this.#ackOf(qos, pid, reason);
  }

  #ask(job: Job): void {
    const id = this.#needs.nextId();
    this.#jobs.set(id, job);
    const { data, meta } = job.item;
    const length = (data.kind === "json" ? data.text.length : data.bytes.length) + 64;
    this.#needs.ask({ ...job.item, id }, length + (meta?.length ?? 0));
  }

  /** Keeps the order in which the messages came. */
  #hold(job: Job, retryMs: number | undefined): void {
    job.attempts += 1;
    const at = this.#held.findIndex(({ beganMs }) => beganMs > job.beganMs);
    if (at === -1) this.#held.push(job);
    else this.#held.splice(at, 0, job);
    if (this.#cancelRetry !== undefined) return;
    const waitMs = retryMs ?? backoffMs(Math.min(job.attempts, 6), this.#needs.random);
    this.#cancelRetry = this.#needs.after(
      Math.min(Math.max(waitMs, RETRY_MS_MIN), RETRY_MS_MAX),
      () => this.#again(),
    );
  }

  #again(): void {
    this.#cancelRetry = undefined;
    const jobs = this.#held;
    this.#held = [];
    for (const [at, job] of jobs.entries()) {
      // The first was refused again within the call: the others stay behind it.
      if (this.#held.length > 0) {
        this.#held.push(...jobs.slice(at));
        break;
      }
      this.#ask(job);
    }
    if (this.#held.length === 0) this.#needs.goOn();
  }
}
