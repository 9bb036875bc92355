// Owns: publications on their way to a client: PUBLISH of the right QoS, in order, within the
// client's window, and its acknowledgements. It knows how far the session got in each channel.
import type { GapFrame, Position, PubFrame, SubscribedFrame } from "@holdfast/protocol";
import { NOTHING } from "./bytes.ts";
import type { AckPacket, Version } from "./decode.ts";
import { encodeAck, encodePublish } from "./encode.ts";
import { type Filters, type Wanted, wantedBy } from "./filters.ts";
import type { Message, Messages } from "./message.ts";
import { Outbound, type Outgoing } from "./outbound.ts";
import { REASON } from "./reason.ts";
import type { KeptInFlight, KeptProgress } from "./state.ts";
import type { Totals } from "./totals.ts";

/** What delivering needs of its client. */
export interface DeliveringNeeds {
  readonly version: Version;
  readonly messages: Messages;
  readonly filters: Filters;
  readonly window: number;
  readonly deliveredAliasMax: number;
  readonly packetBytesMax: number;
  readonly totals: Pick<Totals, "inFlight" | "waitingBytes">;
  wallMs(): number;
  session(): string;
  isLatest(channel: string): boolean;
  /** Sends bytes that the client did not ask for. */
  push(bytes: Uint8Array): void;
  /** What waited has become less. */
  roomAgain(): void;
  /** The client has acknowledged something. */
  settled(): void;
  /** Runs `then` when what the session knows now is kept. */
  durably(then: () => void): void;
  /** Something changed that may be lost at the price of a repetition. */
  changed(): void;
}

/** How far the session got: publications up to `passed` are done, or in flight, or wait. */
interface Progress {
  epoch: string;
  passed: number;
  /** Sent on an earlier connection and to be sent again, by offset. */
  again: Map<number, KeptInFlight> | undefined;
}

export class Delivering {
  readonly #needs: DeliveringNeeds;
  readonly #outbound: Outbound;
  readonly #progress = new Map<string, Progress>();
  #aliases: Map<string, number> | undefined;
  /** Messages that wait until the session is kept. */
  #unkept = 0;

  constructor(needs: DeliveringNeeds) {
    this.#needs = needs;
    this.#outbound = new Outbound(needs.window, needs.totals);
  }

  /** After the last snapshot. */
  close(): void {
    this.#outbound.close();
  }

  get waitingBytes(): number {
    return this.#outbound.waitingBytes;
  }

  /** Another message could be sent now. */
  get hasRoom(): boolean {
    return this.#outbound.hasRoom;
  }

  /** How often an acknowledgement was of something. */
  get useful(): number {
    return this.#outbound.useful;
  }

  get lastPid(): number {
    return this.#outbound.lastPid;
  }

  // ---- sessions that outlive their connection ----

  /** PUBREL for what the client has already. The rest is sent again when its channel is read. */
  restore(kept: readonly KeptProgress[], lastPid: number): Uint8Array[] {
    const released: Uint8Array[] = [];
    const { version } = this.#needs;
    this.#outbound.restore([], lastPid);
    for (const { channel, epoch, passed, inFlight } of kept) {
      const isLatest = this.#needs.isLatest(channel);
      const again = new Map<number, KeptInFlight>();
      let done = passed;
      for (const one of inFlight) {
        const { offset, pid, qos, isReleased } = one;
        // Of a `latest` channel something newer may stand in its place: it is sent as it is now.
        if (isLatest && !isReleased) {
          done = Math.min(done, offset - 1);
          continue;
        }
        const origin = { channel, epoch, offset };
        const phase = isReleased ? ("released" as const) : ("sent" as const);
        this.#outbound.restore([{ pid, qos, origin, phase }], lastPid);
        if (isReleased) released.push(encodeAck("pubrel", { version, pid }));
        else again.set(offset, one);
      }
      this.#progress.set(channel, {
        epoch,
        passed: done,
        again: again.size === 0 ? undefined : again,
      });
    }
    return released;
  }

  /** Where the session goes on in a channel; undefined: with what comes from now on. */
  positionOf(channel: string): Position | undefined {
    const progress = this.#progress.get(channel);
    if (progress === undefined) return undefined;
    let offset = progress.passed;
    for (const one of progress.again?.keys() ?? []) offset = Math.min(offset, one - 1);
    return { epoch: progress.epoch, offset };
  }

  /** The progress in channels where something of QoS 1 or 2 may come. */
  snapshot(): readonly KeptProgress[] {
    const kept: KeptProgress[] = [];
    for (const [channel, { epoch, passed }] of this.#progress) {
      const inFlight: KeptInFlight[] = [];
      let done = passed;
      for (const { pid, qos, origin, phase } of this.#outbound.inFlight.values())
        if (origin.channel === channel && origin.epoch === epoch)
          inFlight.push({ offset: origin.offset, pid, qos, isReleased: phase === "released" });
      for (const { origin, againPid } of this.#outbound.waiting)
        if (origin.channel === channel && againPid === undefined)
          done = Math.min(done, origin.offset - 1);
      kept.push({ channel, epoch, passed: done, inFlight });
    }
    return kept;
  }

  subscribed({ ch, pos, cls }: SubscribedFrame): void {
    if (cls === "volatile") return;
    const progress = this.#progress.get(ch);
    if (progress === undefined)
      this.#progress.set(ch, { epoch: pos.epoch, passed: pos.offset, again: undefined });
    else if (progress.epoch !== pos.epoch) this.#restart(ch, pos);
    this.#needs.changed();
  }

  /** Publications are missing: what was in flight of them cannot be sent again. */
  gap({ ch, from, to, pos }: GapFrame): void {
    const progress = this.#progress.get(ch);
    if (progress === undefined) return;
    if (progress.epoch !== pos.epoch) return this.#restart(ch, pos);
    for (const [offset, { pid, qos }] of progress.again ?? [])
      if (offset >= from && (to === null || offset <= to)) {
        progress.again?.delete(offset);
        this.#outbound.settle(pid, qos);
      }
    progress.passed = Math.max(progress.passed, pos.offset);
    this.#needs.changed();
  }

  forget(channel: string): void {
    this.#outbound.forget(channel);
    for (const { pid, qos } of this.#progress.get(channel)?.again?.values() ?? [])
      this.#outbound.settle(pid, qos);
    this.#progress.delete(channel);
    this.#needs.changed();
  }

  #restart(channel: string, { epoch, offset }: Position): void {
    for (const { pid, qos } of this.#progress.get(channel)?.again?.values() ?? [])
      this.#outbound.settle(pid, qos);
    this.#progress.set(channel, { epoch, passed: offset, again: undefined });
    this.#needs.changed();
  }

  // ---- messages ----

  publication(frame: PubFrame): Uint8Array {
    const { filters, messages } = this.#needs;
    const watched = filters.watched.get(frame.ch);
    if (watched === undefined) return NOTHING;
    const progress = this.#progress.get(frame.ch);
    const again = progress?.again?.get(frame.o);
    // It was done with on an earlier connection.
    if (progress !== undefined && frame.o <= progress.passed && again === undefined) return NOTHING;
    if (progress !== undefined && frame.o > progress.passed) {
      progress.passed = frame.o;
      this.#needs.changed();
    }
    const message = messages.of(frame);
    const wanted =
      message === undefined || this.#isLate(message)
        ? undefined
        : wantedBy(watched, message, {
            session: this.#needs.session(),
            isState: frame.o <= watched.stateUntil,
          });
    if (again !== undefined) progress?.again?.delete(frame.o);
    if (message === undefined || wanted === undefined) {
      if (again !== undefined) this.#settled(again.pid, again.qos);
      return NOTHING;
    }
    return this.deliver(frame, { message, wanted, epoch: watched.epoch, again });
  }

  /** One message for the client, at the QoS that its filters want. */
  deliver(
    { ch: channel, o: offset }: Pick<PubFrame, "ch" | "o">,
    { message, wanted, epoch, again, done }: Ready,
  ): Uint8Array {
    const { qos, retain, subscriptionIds } = wanted;
    const origin = { channel, epoch, offset };
    const outgoing = { message, qos, retain, subscriptionIds, origin, done };
    if (again !== undefined) {
      const one = { ...outgoing, qos: again.qos, againPid: again.pid };
      const pid = this.#outbound.offer(one);
      return pid === undefined ? NOTHING : this.#packet(one, { pid, dup: true });
    }
    if (qos === 0) {
      done?.();
      return this.#packet(outgoing, { pid: 0 });
    }
    const pid = this.#outbound.offer(outgoing);
    return pid === undefined ? NOTHING : this.#send(outgoing, pid);
  }

  /** The answer to an acknowledgement, if it has one. */
  acknowledged({ t, pid, reason }: AckPacket): Uint8Array {
    const { version } = this.#needs;
    if (t === "pubrec" && reason < 0x80) {
      if (!this.#outbound.release(pid))
        return encodeAck("pubrel", { version, pid, reason: REASON.packetIdNotFound });
      // If the node died before it knew, another one would send the message again.
      let isSync = true;
      let answer: Uint8Array = NOTHING;
      this.#needs.durably(() => {
        const pubrel = encodeAck("pubrel", { version, pid });
        if (isSync) answer = pubrel;
        else this.#needs.push(pubrel);
      });
      isSync = false;
      return answer;
    }
    this.#settled(pid, t === "puback" ? 1 : 2);
    return NOTHING;
  }

  #settled(pid: number, qos: 1 | 2 | 0): void {
    if (!this.#outbound.settle(pid, qos)) return;
    this.#needs.changed();
    const before = this.#outbound.waitingBytes;
    for (let next = this.#outbound.next(); next !== undefined; next = this.#outbound.next()) {
      const { outgoing } = next;
      const isLate = this.#isLate(outgoing.message);
      const isAgain = outgoing.againPid !== undefined;
      const bytes = isLate
        ? NOTHING
        : isAgain
          ? this.#packet(outgoing, { pid: next.pid, dup: true })
          : this.#send(outgoing, next.pid);
      if (bytes.length > 0) this.#needs.push(bytes);
      if (isLate) this.#outbound.settle(next.pid, outgoing.qos);
    }
    if (this.#outbound.waitingBytes < before) this.#needs.roomAgain();
    this.#needs.settled();
  }

  /**
   * Of QoS 2 the identifier is kept before the client sees it: another node would choose another
   * one, and the client would take the message twice. What is of QoS 1 does not overtake it. Empty:
   * it is sent later, or never.
   */
  #send(outgoing: Outgoing, pid: number): Uint8Array {
    if (outgoing.qos === 1 && this.#unkept === 0) return this.#packet(outgoing, { pid });
    let isSync = true;
    let bytes: Uint8Array = NOTHING;
    this.#unkept += 1;
    this.#needs.durably(() => {
      this.#unkept -= 1;
      const packet = this.#packet(outgoing, { pid });
      if (isSync) bytes = packet;
      else if (packet.length > 0) this.#needs.push(packet);
    });
    isSync = false;
    return bytes;
  }

  #isLate({ expiresMs }: Message): boolean {
    return expiresMs !== undefined && expiresMs <= this.#needs.wallMs();
  }

  /** Empty: the client takes no packet of that size [MQTT-3.1.2-25]; to it, it never was. */
  #packet(
    { message, qos, retain, subscriptionIds }: Outgoing,
    { pid, dup = false }: { readonly pid: number; readonly dup?: boolean },
  ): Uint8Array {
    const { version, packetBytesMax } = this.#needs;
    const { alias, isKnown } = this.#aliasOf(message.topic);
    const bytes = encodePublish(message, {
      version,
      qos,
      dup,
      retain,
      pid,
      subscriptionIds,
      alias,
      isKnown,
      wallMs: this.#needs.wallMs(),
    });
    if (bytes.length <= packetBytesMax) return bytes;
    if (pid > 0) this.#outbound.settle(pid, qos);
    return NOTHING;
  }

  #aliasOf(topic: string): { readonly alias: number; readonly isKnown: boolean } {
    const { deliveredAliasMax: aliasMax } = this.#needs;
    if (aliasMax === 0) return NO_ALIAS;
    this.#aliases ??= new Map();
    const known = this.#aliases.get(topic);
    if (known !== undefined) return { alias: known, isKnown: true };
    if (this.#aliases.size >= aliasMax) return NO_ALIAS;
    this.#aliases.set(topic, this.#aliases.size + 1);
    return { alias: this.#aliases.size, isKnown: false };
  }
}

interface Ready {
  readonly message: Message;
  readonly wanted: Wanted;
  readonly epoch: string;
  readonly again?: KeptInFlight | undefined;
  readonly done?: (() => void) | undefined;
}

const NO_ALIAS = { alias: 0, isKnown: false } as const;
