// Owns: the packets that a node sends, as bytes.
import { varintBytes, Writer } from "./bytes.ts";
import type { Qos, Version } from "./decode.ts";
import type { Message } from "./message.ts";
import { type OwnProperties, writeOwn } from "./properties.ts";
import { returnCodeOf } from "./reason.ts";

/** How one client gets a message. */
export interface Delivery {
  readonly version: Version;
  readonly qos: Qos;
  readonly dup: boolean;
  readonly retain: boolean;
  /** 0 for QoS 0. */
  readonly pid: number;
  readonly subscriptionIds: readonly number[];
  /** 0: none. `isKnown`: the client knows the topic behind it. */
  readonly alias: number;
  readonly isKnown: boolean;
  /** Of the broker's clock, for what is left of an expiry. */
  readonly wallMs: number;
}

export function encodePublish(message: Message, delivery: Delivery): Uint8Array {
  const { version, qos, dup, retain, pid } = delivery;
  const isShared = qos === 0 && !retain && isSame(message, delivery);
  const place = version === 4 ? 0 : 1;
  const known = isShared ? message.packets[place] : undefined;
  if (known !== undefined) return known;
  const properties = version === 4 ? undefined : publishProperties(message, delivery);
  const topicLength = delivery.isKnown ? 0 : message.topicBytes.length;
  const propertiesLength =
    properties === undefined ? 0 : varintBytes(properties.length) + properties.length;
  const length = 2 + topicLength + (qos > 0 ? 2 : 0) + propertiesLength + message.payload.length;
  const out = new Writer(1 + varintBytes(length) + length);
  out
    .u8(0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0))
    .varint(length)
    .u16(topicLength);
  if (topicLength > 0) out.raw(message.topicBytes);
  if (qos > 0) out.u16(pid);
  if (properties !== undefined) out.varint(properties.length).raw(properties);
  const packet = out.raw(message.payload).done();
  if (isShared) message.packets[place] = packet;
  return packet;
}

const isSame = ({ expiresMs }: Message, { version, subscriptionIds, alias }: Delivery): boolean =>
  version === 4 || (expiresMs === undefined && subscriptionIds.length === 0 && alias === 0);

function publishProperties(message: Message, delivery: Delivery): Uint8Array {
  const { expiresMs, passedOn } = message;
  const { subscriptionIds, alias, wallMs } = delivery;
  if (expiresMs === undefined && subscriptionIds.length === 0 && alias === 0) return passedOn;
  const out = new Writer(passedOn.length + 16);
  if (expiresMs !== undefined) out.u8(2).u32(Math.max(1, Math.ceil((expiresMs - wallMs) / 1000)));
  if (alias > 0) out.u8(35).u16(alias);
  out.raw(passedOn);
  for (const id of subscriptionIds) out.u8(11).varint(id);
  return out.done();
}

const ACKS = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;

export function encodeAck(
  t: keyof typeof ACKS,
  {
    version,
    pid,
    reason = 0,
    text,
  }: {
    readonly version: Version;
    readonly pid: number;
    readonly reason?: number;
    readonly text?: string | undefined;
  },
): Uint8Array {
  const high = pid >>> 8;
  const low = pid & 255;
  if (version === 4 || (reason === 0 && text === undefined)) return plainAck(ACKS[t], high, low);
  if (text === undefined) return Uint8Array.of(ACKS[t], 3, high, low, reason);
  const properties = writeOwn({ reasonString: text });
  return packet(ACKS[t], (out) =>
    out.u16(pid).u8(reason).varint(properties.length).raw(properties),
  );
}

/** Assignments: `Uint8Array.of` takes three times as long. */
function plainAck(lead: number, high: number, low: number): Uint8Array {
  const ack = new Uint8Array(4);
  ack[0] = lead;
  ack[1] = 2;
  ack[2] = high;
  ack[3] = low;
  return ack;
}

export interface Connack {
  readonly version: Version;
  readonly sessionPresent: boolean;
  readonly reason: number;
  readonly properties: OwnProperties;
}

export function encodeConnack({ version, sessionPresent, reason, properties }: Connack) {
  return packet(0x20, (out) => {
    out.u8(sessionPresent && reason === 0 ? 1 : 0);
    if (version === 4) return out.u8(reason === 0 ? 0 : returnCodeOf(reason));
    const bytes = writeOwn(properties);
    return out.u8(reason).varint(bytes.length).raw(bytes);
  });
}

/** Of MQTT 3.1.1 every reason from 0x80 on is 0x80, in SUBACK; UNSUBACK has none there. */
export function encodeSuback(
  t: "suback" | "unsuback",
  {
    version,
    pid,
    reasons,
  }: {
    readonly version: Version;
    readonly pid: number;
    readonly reasons: readonly number[];
  },
): Uint8Array {
  return packet(t === "suback" ? 0x90 : 0xb0, (out) => {
    out.u16(pid);
    if (version === 5) out.u8(0);
    if (version === 4 && t === "unsuback") return out;
    for (const reason of reasons) out.u8(version === 4 && reason >= 0x80 ? 0x80 : reason);
    return out;
  });
}

/** MQTT 5 only: nodes of 3.1.1 close without a word. */
export function encodeDisconnect(reason: number, text: string | undefined): Uint8Array {
  const properties = writeOwn(text === undefined ? {} : { reasonString: text });
  return packet(0xe0, (out) => out.u8(reason).varint(properties.length).raw(properties));
}

export const PINGRESP = Uint8Array.of(0xd0, 0);

function packet(lead: number, write: (out: Writer) => Writer): Uint8Array {
  const body = write(new Writer()).done();
  return new Writer(body.length + 5).u8(lead).varint(body.length).raw(body).done();
}

/** One message of several packets, for one write to the link. */
export function joinBytes(parts: readonly (string | Uint8Array)[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    if (typeof part === "string") continue;
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
