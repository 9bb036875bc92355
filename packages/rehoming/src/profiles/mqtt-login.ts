// Owns: a client's CONNECT, as it is said again to the next broker.
import { joined, type Packet, packetOf, propertiesAt, textEnd } from "./mqtt-packets.ts";

const CLEAN = 0x02;
const SESSION_EXPIRY = 17;
const ASSIGNED_CLIENT_ID = 18;
const AUTHENTICATION_METHOD = 21;
const TOPIC_ALIAS_MAXIMUM = 34;

/** What is known of a client that logged in. */
export class Login {
  readonly packet: Packet;
  readonly isV5: boolean;
  /** A dialogue that the gateway can't hold. */
  readonly hasDialogue: boolean;
  /** Its session outlives its connection. */
  readonly isPersistent: boolean;
  readonly #flagsAt: number;
  readonly #idAt: number;
  #assigned: Uint8Array | undefined;

  /** Undefined: it is no CONNECT of MQTT 3.1, 3.1.1 or 5. */
  static of(packet: Packet): Login | undefined {
    const { bytes, at } = packet;
    const nameEnd = textEnd(bytes, at);
    const level = nameEnd === undefined ? undefined : bytes[nameEnd];
    if (nameEnd === undefined || level === undefined || level < 3 || level > 5) return undefined;
    const isV5 = level === 5;
    const rest = nameEnd + 4;
    const properties = isV5 ? propertiesAt(bytes, rest) : undefined;
    const idAt = isV5 ? properties?.to : rest;
    if (idAt === undefined || textEnd(bytes, idAt) === undefined) return undefined;
    const hasDialogue = properties?.list.some(({ id }) => id === AUTHENTICATION_METHOD) ?? false;
    const expiry = properties?.list.find(({ id }) => id === SESSION_EXPIRY);
    const isPersistent = isV5
      ? expiry !== undefined && bytes.subarray(expiry.from, expiry.to).some((byte) => byte > 0)
      : ((bytes[nameEnd + 1] ?? 0) & CLEAN) === 0;
    const flagsAt = nameEnd + 1;
    return new Login(packet, { isV5, hasDialogue, isPersistent, flagsAt, idAt });
  }

  private constructor(
    packet: Packet,
    found: {
      readonly isV5: boolean;
      readonly hasDialogue: boolean;
      readonly isPersistent: boolean;
      readonly flagsAt: number;
      readonly idAt: number;
    },
  ) {
    this.packet = { ...packet, bytes: packet.bytes.slice() };
    this.isV5 = found.isV5;
    this.hasDialogue = found.hasDialogue;
    this.isPersistent = found.isPersistent;
    this.#flagsAt = found.flagsAt;
    this.#idAt = found.idAt;
  }

  get bytes(): number {
    return this.packet.bytes.length + (this.#assigned?.length ?? 0);
  }

  /** Reads the answer to the first one, and changes in it what would not survive a move. */
  answered({ bytes, at }: Packet): Uint8Array {
    const properties = this.isV5 ? propertiesAt(bytes, at + 2) : undefined;
    if (properties === undefined) return bytes;
    const answer = bytes.slice();
    for (const { id, from, to } of properties.list) {
      if (id === ASSIGNED_CLIENT_ID) this.#assigned = bytes.slice(from, to);
      // An alias holds for one connection: the next broker would not know what it stands for.
      if (id === TOPIC_ALIAS_MAXIMUM) answer.fill(0, from, to);
    }
    return answer;
  }

  /**
   * Clean start 0, and the client id that the first broker assigned. A session of MQTT 3.1.1 that
   * is clean ends with its connection. Asking for it again would make one that nobody ends.
   */
  again(): Uint8Array {
    const { bytes, at } = this.packet;
    const copy = bytes.slice();
    if (this.isV5) copy[this.#flagsAt] = (copy[this.#flagsAt] as number) & ~CLEAN;
    if (this.#assigned === undefined) return copy;
    const idEnd = textEnd(copy, this.#idAt) ?? copy.length;
    const parts = [copy.subarray(at, this.#idAt), this.#assigned, copy.subarray(idEnd)];
    return packetOf(copy[0] as number, [joined(parts)]);
  }
}
