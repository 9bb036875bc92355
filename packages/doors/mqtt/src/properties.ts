// Owns: the properties of MQTT 5 (section 2.2.2): their types, and in which packets they may stand.
import { type Reader, Writer } from "./bytes.ts";

/** What a client's properties said. Members are named as in the specification. */
export interface Properties {
  payloadFormat?: number;
  messageExpiryS?: number;
  contentType?: string;
  responseTopic?: string;
  correlation?: Uint8Array;
  subscriptionId?: number;
  sessionExpiryS?: number;
  authMethod?: string;
  authData?: Uint8Array;
  requestProblem?: number;
  willDelayS?: number;
  requestResponse?: number;
  reasonString?: string;
  receiveMax?: number;
  aliasMax?: number;
  alias?: number;
  packetBytesMax?: number;
  user?: [string, string][];
}

type Value = "u8" | "flag" | "u16" | "u32" | "varint" | "text" | "binary" | "pair";
type Place =
  | "connect"
  | "will"
  | "publish"
  | "subscribe"
  | "unsubscribe"
  | "ack"
  | "disconnect"
  | "auth";

interface Row {
  readonly name: keyof Properties;
  readonly value: Value;
  readonly places: readonly Place[];
  /** 0 is a protocol error. */
  readonly positive?: true;
}

const MESSAGE: readonly Place[] = ["publish", "will"];
/** Properties that clients send, by identifier. */
const ROWS: Readonly<Record<number, Row>> = {
  1: { name: "payloadFormat", value: "flag", places: MESSAGE },
  2: { name: "messageExpiryS", value: "u32", places: MESSAGE },
  3: { name: "contentType", value: "text", places: MESSAGE },
  8: { name: "responseTopic", value: "text", places: MESSAGE },
  9: { name: "correlation", value: "binary", places: MESSAGE },
  11: { name: "subscriptionId", value: "varint", places: ["subscribe"], positive: true },
  17: { name: "sessionExpiryS", value: "u32", places: ["connect", "disconnect"] },
  21: { name: "authMethod", value: "text", places: ["connect", "auth"] },
  22: { name: "authData", value: "binary", places: ["connect", "auth"] },
  23: { name: "requestProblem", value: "flag", places: ["connect"] },
  24: { name: "willDelayS", value: "u32", places: ["will"] },
  25: { name: "requestResponse", value: "flag", places: ["connect"] },
  31: { name: "reasonString", value: "text", places: ["ack", "disconnect", "auth"] },
  33: { name: "receiveMax", value: "u16", places: ["connect"], positive: true },
  34: { name: "aliasMax", value: "u16", places: ["connect"] },
  35: { name: "alias", value: "u16", places: ["publish"] },
  38: {
    name: "user",
    value: "pair",
    places: ["connect", "will", "publish", "subscribe", "unsubscribe", "ack", "disconnect", "auth"],
  },
  39: { name: "packetBytesMax", value: "u32", places: ["connect"], positive: true },
};

/** Identifiers whose properties go to subscribers as they came. */
const PASSED_ON: ReadonlySet<number> = new Set([1, 3, 8, 9, 38]);
const USER_MAX = 100;

/** What was read: the properties, or why they break the protocol. */
export interface ReadProperties {
  readonly properties: Properties;
  /** For PUBLISH and wills: what goes to subscribers, as it came. */
  readonly passedOn: Uint8Array | undefined;
  /** Undefined: nothing is wrong besides what `Reader.broken` says. */
  readonly problem: string | undefined;
}

const NONE: Properties = Object.freeze({});
const EMPTY: ReadProperties = { properties: NONE, passedOn: undefined, problem: undefined };

/** Reads the length and the properties behind it. A repeated one is a problem, but `user`. */
export function readProperties(reader: Reader, place: Place): ReadProperties {
  const length = reader.varint();
  if (length === 0) return EMPTY;
  if (reader.broken || length > reader.left) {
    reader.broken = true;
    return EMPTY;
  }
  const end = reader.at + length;
  const outerEnd = reader.end;
  reader.end = end;
  const properties: Properties = {};
  const passed: [number, number][] = [];
  let problem: string | undefined;
  while (reader.at < end && problem === undefined && !reader.broken) {
    const from = reader.at;
    const id = reader.varint();
    const row = ROWS[id];
    if (row === undefined || !row.places.includes(place)) problem = `property ${id} in ${place}`;
    else problem = readOne(reader, row, properties);
    if (PASSED_ON.has(id)) passed.push([from, reader.at]);
  }
  reader.end = outerEnd;
  return { properties, passedOn: slices(reader.bytes, passed), problem };
}

function readOne(reader: Reader, row: Row, properties: Properties): string | undefined {
  const { name, value } = row;
  if (name === "user") {
    properties.user ??= [];
    if (properties.user.length >= USER_MAX) return `more than ${USER_MAX} user properties`;
    properties.user.push([reader.text(), reader.text()]);
    return undefined;
  }
  if (properties[name] !== undefined) return `property ${name} twice`;
  const found =
    value === "text"
      ? reader.text()
      : value === "binary"
        ? reader.binary()
        : value === "u16"
          ? reader.u16()
          : value === "u32"
            ? reader.u32()
            : value === "varint"
              ? reader.varint()
              : reader.u8();
  if (value === "flag" && (found as number) > 1) return `property ${name} of ${found}`;
  if (row.positive === true && found === 0) return `property ${name} of 0`;
  (properties as Record<string, unknown>)[name] = found;
  return undefined;
}

/** Copies of the ranges, one behind the other; undefined if there is none. */
function slices(
  bytes: Uint8Array,
  ranges: readonly (readonly [number, number])[],
): Uint8Array | undefined {
  if (ranges.length === 0) return undefined;
  const length = ranges.reduce((sum, [from, to]) => sum + to - from, 0);
  const copy = new Uint8Array(length);
  let at = 0;
  for (const [from, to] of ranges) {
    copy.set(bytes.subarray(from, to), at);
    at += to - from;
  }
  return copy;
}

/** Properties that nodes send. */
export interface OwnProperties {
  readonly sessionExpiryS?: number;
  readonly assignedClientId?: string;
  readonly serverKeepAliveS?: number;
  readonly reasonString?: string;
  readonly receiveMax?: number;
  readonly aliasMax?: number;
  readonly qosMax?: number;
  readonly retainAvailable?: number;
  readonly packetBytesMax?: number;
  readonly sharedAvailable?: number;
}

/** The bytes of properties that a node sends, without their length. */
export function writeOwn(own: OwnProperties): Uint8Array {
  const out = new Writer();
  if (own.sessionExpiryS !== undefined) out.u8(17).u32(own.sessionExpiryS);
  if (own.assignedClientId !== undefined) out.u8(18).text(own.assignedClientId);
  if (own.serverKeepAliveS !== undefined) out.u8(19).u16(own.serverKeepAliveS);
  if (own.reasonString !== undefined) out.u8(31).text(own.reasonString);
  if (own.receiveMax !== undefined) out.u8(33).u16(own.receiveMax);
  if (own.aliasMax !== undefined) out.u8(34).u16(own.aliasMax);
  if (own.qosMax !== undefined) out.u8(36).u8(own.qosMax);
  if (own.retainAvailable !== undefined) out.u8(37).u8(own.retainAvailable);
  if (own.packetBytesMax !== undefined) out.u8(39).u32(own.packetBytesMax);
  if (own.sharedAvailable !== undefined) out.u8(42).u8(own.sharedAvailable);
  return out.done();
}
