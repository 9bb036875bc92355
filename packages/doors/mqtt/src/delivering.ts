// Owns: publications on their way to a client: PUBLISH of the right QoS, in order, within the
// client's window, and its acknowledgements.
import type { PubFrame } from "@holdfast/protocol";
import { NOTHING } from "./bytes.ts";
import type { AckPacket, Version } from "./decode.ts";
import { encodeAck, encodePublish } from "./encode.ts";
import { type Filters, wantedBy } from "./filters.ts";
import type { Message, Messages } from "./message.ts";
import { Outbound, type Outgoing } from "./outbound.ts";
import { REASON } from "./reason.ts";

/** What delivering needs of its client. */
export interface DeliveringNeeds {
  readonly version: Version;
  readonly messages: Messages;
  readonly filters: Filters;
  readonly window: number;
  readonly aliasMax: number;
  readonly packetBytesMax: number;
  wallMs(): number;
  session(): string;
  /** Sends bytes that the client did not ask for. */
  push(bytes: Uint8Array): void;
  /** What waited has become less. */
  hasRoom(): void;
}

export class Delivering {
  readonly #needs: DeliveringNeeds;
  readonly #outbound: Outbound;
  #aliases: Map<string, number> | undefined;

  constructor(needs: DeliveringNeeds) {
    this.#needs = needs;
    this.#outbound = new Outbound(needs.window);
  }

  get waitingBytes(): number {
    return this.#outbound.waitingBytes;
  }

  publication(frame: PubFrame): Uint8Array {
    const { filters, messages } = this.#needs;
    const watched = filters.watched.get(frame.ch);
    if (watched === undefined) return NOTHING;
    const message = messages.of(frame);
    if (message === undefined || this.#isLate(message)) return NOTHING;
    const wanted = wantedBy(watched, message, {
      session: this.#needs.session(),
      isState: frame.o <= watched.stateUntil,
    });
    if (wanted === undefined) return NOTHING;
    const origin = { channel: frame.ch, epoch: watched.epoch, offset: frame.o };
    const outgoing = { message, origin, ...wanted };
    if (wanted.qos === 0) return this.#packet(outgoing, 0);
    const pid = this.#outbound.offer(outgoing);
    return pid === undefined ? NOTHING : this.#packet(outgoing, pid);
  }

  /** The answer to an acknowledgement, if it has one. */
  acknowledged({ t, pid, reason }: AckPacket): Uint8Array {
    const { version } = this.#needs;
    if (t === "pubrec" && reason < 0x80)
      return this.#outbound.release(pid)
        ? encodeAck("pubrel", { version, pid })
        : encodeAck("pubrel", { version, pid, reason: REASON.packetIdNotFound });
    if (this.#outbound.settle(pid, t === "puback" ? 1 : 2)) this.#goOn();
    return NOTHING;
  }

  forget(channel: string): void {
    this.#outbound.forget(channel);
  }

  #goOn(): void {
    const before = this.#outbound.waitingBytes;
    for (let next = this.#outbound.next(); next !== undefined; next = this.#outbound.next()) {
      const { outgoing, pid } = next;
      const bytes = this.#isLate(outgoing.message) ? NOTHING : this.#packet(outgoing, pid);
      if (bytes.length > 0) this.#needs.push(bytes);
      else this.#outbound.settle(pid, outgoing.qos);
    }
    if (this.#outbound.waitingBytes < before) this.#needs.hasRoom();
  }

  #isLate({ expiresMs }: Message): boolean {
    return expiresMs !== undefined && expiresMs <= this.#needs.wallMs();
  }

  /** Empty: the client takes no packet of that size [MQTT-3.1.2-25]; to it, it never was. */
  #packet({ message, qos, retain, subscriptionIds }: Outgoing, pid: number): Uint8Array {
    const { version, packetBytesMax, wallMs } = this.#needs;
    const { alias, isKnown } = this.#aliasOf(message.topic);
    const bytes = encodePublish(message, {
      version,
      qos,
      dup: false,
      retain,
      pid,
      subscriptionIds,
      alias,
      isKnown,
      wallMs: wallMs(),
    });
    if (bytes.length <= packetBytesMax) return bytes;
    if (pid > 0) this.#outbound.settle(pid, qos);
    return NOTHING;
  }

  #aliasOf(topic: string): { readonly alias: number; readonly isKnown: boolean } {
    const { aliasMax } = this.#needs;
    if (aliasMax === 0) return NO_ALIAS;
    this.#aliases ??= new Map();
    const known = this.#aliases.get(topic);
    if (known !== undefined) return { alias: known, isKnown: true };
    if (this.#aliases.size >= aliasMax) return NO_ALIAS;
    this.#aliases.set(topic, this.#aliases.size + 1);
    return { alias: this.#aliases.size, isKnown: false };
  }
}

const NO_ALIAS = { alias: 0, isKnown: false } as const;
