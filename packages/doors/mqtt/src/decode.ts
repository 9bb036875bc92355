// Owns: the packets that clients send, read and checked as MQTT 3.1.1 and 5 say. What only an open
// session can tell (order, identifiers in use, aliases) is not checked here.
import { Reader } from "./bytes.ts";
import type { RawPacket } from "./framer.ts";
import { type Properties, type ReadProperties, readProperties } from "./properties.ts";
import { type Fault, REASON } from "./reason.ts";
import { filterProblem, nameProblem } from "./topic-names.ts";

/** 4 is MQTT 3.1.1. */
export type Version = 4 | 5;
export type Qos = 0 | 1 | 2;

export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: Properties;
  readonly passedOn: Uint8Array | undefined;
}

export interface ConnectPacket {
  readonly t: "connect";
  readonly version: Version;
  readonly clean: boolean;
  readonly keepAliveS: number;
  readonly clientId: string;
  readonly user: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly will: Will | undefined;
  readonly properties: Properties;
}

export interface PublishPacket {
  readonly t: "publish";
  /** Empty: an alias stands for it. */
  readonly topic: string;
  readonly qos: Qos;
  readonly dup: boolean;
  readonly retain: boolean;
  /** 0 for QoS 0. */
  readonly pid: number;
  readonly properties: Properties;
  readonly passedOn: Uint8Array | undefined;
  /** The payload, as a part of what was received: whoever keeps it copies it. */
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
}

export interface AckPacket {
  readonly t: "puback" | "pubrec" | "pubrel" | "pubcomp";
  readonly pid: number;
  readonly reason: number;
}

export interface FilterRequest {
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0: retained messages are sent; 1: only if the subscription is new; 2: none. */
  readonly retainHandling: number;
}

export type ClientPacket =
  | ConnectPacket
  | PublishPacket
  | AckPacket
  | {
      readonly t: "subscribe";
      readonly pid: number;
      readonly filters: readonly FilterRequest[];
      readonly subscriptionId: number | undefined;
    }
  | { readonly t: "unsubscribe"; readonly pid: number; readonly filters: readonly string[] }
  | { readonly t: "pingreq" }
  | { readonly t: "disconnect"; readonly reason: number; readonly properties: Properties }
  | { readonly t: "auth" };

const malformed = (text: string): Fault => ({ reason: REASON.malformedPacket, text });
const broken = (text: string): Fault => ({ reason: REASON.protocolError, text });

/** Flags of the first byte that are fixed for a type of packet. */
const FLAGS: Readonly<Record<number, number>> = {
  1: 0,
  4: 0,
  5: 0,
  6: 2,
  7: 0,
  8: 2,
  10: 2,
  12: 0,
  14: 0,
  15: 0,
};
/** Topic filters of one packet: each is answered and looked up. */
export const FILTERS_MAX = 1000;

/** The packet, or what is wrong with it. `version` is that of the connection's CONNECT. */
export function decodePacket(raw: RawPacket, version: Version): ClientPacket | Fault {
  const { type, flags, bytes, from, to } = raw;
  if (type !== 3 && flags !== FLAGS[type])
    return FLAGS[type] === undefined
      ? broken(`a packet of type ${type}, which clients do not send`)
      : malformed(`flags ${flags} in a packet of type ${type}`);
  const reader = new Reader(bytes, from, to);
  const packet = decodeBody(reader, raw, version);
  if ("reason" in packet && "text" in packet) return packet;
  if (reader.broken) return malformed(`a ${packet.t} packet that is cut off or no UTF-8`);
  if (reader.left > 0) return malformed(`${reader.left} bytes behind a ${packet.t} packet`);
  return packet;
}

function decodeBody(reader: Reader, { type, flags }: RawPacket, version: Version) {
  switch (type) {
    case 1:
      return connect(reader);
    case 3:
      return publish(reader, flags, version);
    case 4:
      return ack(reader, "puback", version);
    case 5:
      return ack(reader, "pubrec", version);
    case 6:
      return ack(reader, "pubrel", version);
    case 7:
      return ack(reader, "pubcomp", version);
    case 8:
      return subscribe(reader, version);
    case 10:
      return unsubscribe(reader, version);
    case 12:
      return { t: "pingreq" } as const;
    case 14:
      return disconnect(reader, version);
    default:
      return auth(reader, version);
  }
}

function connect(reader: Reader): ConnectPacket | Fault {
  const protocol = reader.text();
  const level = reader.u8();
  if (reader.broken) return malformed("a CONNECT that is cut off");
  if (protocol !== "MQTT" || (level !== 4 && level !== 5))
    return {
      reason: REASON.unsupportedVersion,
      text: `protocol ${protocol.slice(0, 8)} level ${level}, expected MQTT level 4 or 5`,
    };
  const flags = reader.u8();
  const keepAliveS = reader.u16();
  if (flags & 1) return malformed("the reserved flag in CONNECT");
  const willQos = (flags >> 3) & 3;
  const hasWill = (flags & 4) !== 0;
  if (willQos === 3 || (!hasWill && (flags & 0x38) !== 0)) return malformed("flags of a will");
  if (level === 4 && (flags & 0xc0) === 0x40) return malformed("a password without a user name");
  const own = level === 5 ? readProperties(reader, "connect") : NO_PROPERTIES;
  if (own.problem !== undefined) return broken(own.problem);
  const clientId = reader.text();
  let will: Will | undefined;
  if (hasWill) {
    const { properties, passedOn, problem } =
      level === 5 ? readProperties(reader, "will") : NO_PROPERTIES;
    if (problem !== undefined) return broken(problem);
    const topic = reader.text();
    const payload = reader.binary();
    const retain = (flags & 0x20) !== 0;
    will = { topic, payload, qos: willQos as Qos, retain, properties, passedOn };
    const wrong = reader.broken ? undefined : nameProblem(topic);
    if (wrong !== undefined) return { reason: REASON.topicNameInvalid, text: `a will: ${wrong}` };
  }
  const user = flags & 0x80 ? reader.text() : undefined;
  const password = flags & 0x40 ? reader.binary() : undefined;
  if (own.properties.authData !== undefined && own.properties.authMethod === undefined)
    return broken("authentication data without a method");
  return {
    t: "connect",
    version: level,
    clean: (flags & 2) !== 0,
    keepAliveS,
    clientId,
    user,
    password,
    will,
    properties: own.properties,
  };
}

const NO_PROPERTIES: ReadProperties = { properties: {}, passedOn: undefined, problem: undefined };

function publish(reader: Reader, flags: number, version: Version): PublishPacket | Fault {
  const qos = (flags >> 1) & 3;
  if (qos === 3) return malformed("a PUBLISH of QoS 3");
  const dup = (flags & 8) !== 0;
  if (dup && qos === 0) return malformed("a PUBLISH of QoS 0 with DUP");
  const topic = reader.text();
  const pid = qos > 0 ? reader.u16() : 0;
  if (qos > 0 && pid === 0 && !reader.broken) return broken("packet identifier 0");
  const { properties, passedOn, problem } =
    version === 5 ? readProperties(reader, "publish") : NO_PROPERTIES;
  if (problem !== undefined) return broken(problem);
  if (properties.alias === 0)
    return { reason: REASON.topicAliasInvalid, text: "topic alias 0, expected 1 or more" };
  if (!reader.broken && (topic !== "" || properties.alias === undefined)) {
    const wrong = nameProblem(topic);
    if (wrong !== undefined) return { reason: REASON.topicNameInvalid, text: wrong };
  }
  if (properties.responseTopic !== undefined && nameProblem(properties.responseTopic) !== undefined)
    return broken("a response topic that is no topic name");
  const from = reader.at;
  reader.at = reader.end;
  return {
    t: "publish",
    topic,
    qos: qos as Qos,
    dup,
    retain: (flags & 1) !== 0,
    pid,
    properties,
    passedOn,
    bytes: reader.bytes,
    from,
    to: reader.end,
  };
}

function ack(reader: Reader, t: AckPacket["t"], version: Version): AckPacket | Fault {
  const pid = reader.u16();
  if (pid === 0 && !reader.broken) return broken("packet identifier 0");
  const reason = version === 5 && reader.left > 0 ? reader.u8() : 0;
  if (version === 5 && reader.left > 0) {
    const { problem } = readProperties(reader, "ack");
    if (problem !== undefined) return broken(problem);
  }
  return { t, pid, reason };
}

function subscribe(reader: Reader, version: Version): ClientPacket | Fault {
  const pid = reader.u16();
  if (pid === 0 && !reader.broken) return broken("packet identifier 0");
  const { properties, problem } =
    version === 5 ? readProperties(reader, "subscribe") : NO_PROPERTIES;
  if (problem !== undefined) return broken(problem);
  const filters: FilterRequest[] = [];
  while (reader.left > 0 && !reader.broken) {
    const filter = reader.text();
    const options = reader.u8();
    const qos = options & 3;
    const retainHandling = (options >> 4) & 3;
    if (qos === 3 || (version === 4 && options > 2)) return malformed("subscription options");
    if ((options & 0xc0) !== 0) return malformed("reserved subscription options");
    if (retainHandling === 3) return broken("retain handling 3");
    if (filters.length >= FILTERS_MAX)
      return { reason: REASON.quotaExceeded, text: `more than ${FILTERS_MAX} filters in a packet` };
    const noLocal = (options & 4) !== 0;
    if (noLocal && filter.startsWith("$share/")) return broken("No Local in a shared subscription");
    filters.push({
      filter,
      qos: qos as Qos,
      noLocal,
      retainAsPublished: (options & 8) !== 0,
      retainHandling,
    });
  }
  if (filters.length === 0 && !reader.broken) return broken("SUBSCRIBE without a topic filter");
  const wrong = reader.broken ? undefined : firstProblem(filters.map(({ filter }) => filter));
  if (wrong !== undefined) return wrong;
  return { t: "subscribe", pid, filters, subscriptionId: properties.subscriptionId };
}

function unsubscribe(reader: Reader, version: Version): ClientPacket | Fault {
  const pid = reader.u16();
  if (pid === 0 && !reader.broken) return broken("packet identifier 0");
  const { problem } = version === 5 ? readProperties(reader, "unsubscribe") : NO_PROPERTIES;
  if (problem !== undefined) return broken(problem);
  const filters: string[] = [];
  while (reader.left > 0 && !reader.broken) {
    if (filters.length >= FILTERS_MAX)
      return { reason: REASON.quotaExceeded, text: `more than ${FILTERS_MAX} filters in a packet` };
    filters.push(reader.text());
  }
  if (filters.length === 0 && !reader.broken) return broken("UNSUBSCRIBE without a topic filter");
  const wrong = reader.broken ? undefined : firstProblem(filters);
  if (wrong !== undefined) return wrong;
  return { t: "unsubscribe", pid, filters };
}

/** A filter that is none ends the connection: MQTT has no answer for it [MQTT-4.7.3-1]. */
function firstProblem(filters: readonly string[]): Fault | undefined {
  for (const filter of filters) {
    const text = filterProblem(filter);
    if (text !== undefined) return { reason: REASON.topicFilterInvalid, text };
  }
  return undefined;
}

function disconnect(reader: Reader, version: Version): ClientPacket | Fault {
  if (version === 4 || reader.left === 0) return { t: "disconnect", reason: 0, properties: {} };
  const reason = reader.u8();
  if (reader.left === 0) return { t: "disconnect", reason, properties: {} };
  const { properties, problem } = readProperties(reader, "disconnect");
  return problem === undefined ? { t: "disconnect", reason, properties } : broken(problem);
}

function auth(reader: Reader, version: Version): ClientPacket | Fault {
  if (version === 4) return broken("AUTH in MQTT 3.1.1");
  if (reader.left > 0) {
    reader.u8();
    const { problem } = readProperties(reader, "auth");
    if (problem !== undefined) return broken(problem);
  }
  return { t: "auth" };
}
