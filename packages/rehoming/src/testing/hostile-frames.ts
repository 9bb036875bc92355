// Owns: clients and servers that say anything: valid frames of a protocol, and those frames broken.
import type { SeededRandom } from "@holdfast/testkit";
import { generate, type Packet } from "mqtt-packet";
import type { Frame } from "../frame.ts";
import type { Profile } from "../profile.ts";
import { graphqlTransportWs } from "../profiles/graphql.ts";
import { handoff } from "../profiles/handoff.ts";
import { joined, sized } from "../profiles/lib0.ts";
import { mqtt } from "../profiles/mqtt.ts";
import { replay } from "../profiles/replay.ts";
import { socketioProfile } from "../profiles/socketio.ts";
import { stateless } from "../profiles/stateless.ts";
import { yjsProfile } from "../profiles/yjs.ts";

/** What both sides of a protocol say. */
export interface Dialect {
  readonly name: string;
  readonly profile: Profile;
  readonly client: readonly Frame[];
  readonly server: readonly Frame[];
  /** What a client says first that means well, and a server on each socket. */
  readonly begins?: readonly Frame[];
  readonly greets?: readonly Frame[];
}

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const packet = (one: object): Uint8Array => generate(one as Packet, { protocolVersion: 5 });
const said = (...all: readonly object[]): readonly string[] =>
  all.map((one) => JSON.stringify(one));

const GRAPHQL_CLIENT = said(
  { type: "connection_init", payload: { token: "x" } },
  { type: "ping" },
  { type: "subscribe", id: "1", payload: { query: "subscription { a }", variables: { b: 1 } } },
  { type: "subscribe", id: "2", payload: { query: "mutation { a }" } },
  { type: "complete", id: "1" },
  { type: "pong", payload: {} },
);
const GRAPHQL_SERVER = said(
  { type: "connection_ack", payload: {} },
  { type: "next", id: "1", payload: { data: { a: 1 } } },
  { type: "error", id: "1", payload: [{ message: "no" }] },
  { type: "complete", id: "1" },
  { type: "ping" },
);
const SOCKETIO_CLIENT: readonly Frame[] = [
  ...["40", '40/admin,{"token":"x"}', '42["a",1]', '421["ack",{"b":[]}]', '431["x"]', "3", "41"],
  ...['451-["b",{"_placeholder":true,"num":0}]', "2probe", "5"],
  bytes(1, 2, 3),
];
const SOCKETIO_SERVER: readonly Frame[] = [
  '0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}',
  ...['40{"sid":"s","pid":"p"}', '42["a",1,"offset"]', "2", '431["ok"]', '44{"message":"no"}'],
  ...['451-["b",{"_placeholder":true,"num":0}]', "41/admin", "1", "6"],
  bytes(9, 8, 7),
];
const MQTT_CLIENT = [
  { cmd: "connect", protocolId: "MQTT", protocolVersion: 5, clean: false, clientId: "c1" },
  { cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "t/#", qos: 1 }] },
  { cmd: "publish", topic: "t/a", payload: "x", qos: 0, dup: false, retain: false },
  { cmd: "publish", topic: "t/a", payload: "x", qos: 1, messageId: 2, dup: false, retain: false },
  { cmd: "publish", topic: "t/a", payload: "x", qos: 2, messageId: 3, dup: false, retain: false },
  { cmd: "pubrel", messageId: 3 },
  { cmd: "puback", messageId: 9 },
  { cmd: "unsubscribe", messageId: 4, unsubscriptions: ["t/#"] },
  { cmd: "pingreq" },
  { cmd: "disconnect" },
].map(packet);
const MQTT_SERVER = [
  { cmd: "connack", sessionPresent: false, reasonCode: 0 },
  { cmd: "suback", messageId: 1, granted: [1] },
  { cmd: "publish", topic: "t/a", payload: "y", qos: 1, messageId: 9, dup: false, retain: false },
  { cmd: "publish", topic: "t/a", payload: "y", qos: 2, messageId: 8, dup: false, retain: false },
  { cmd: "puback", messageId: 2 },
  { cmd: "pubrec", messageId: 3 },
  { cmd: "pubrel", messageId: 8 },
  { cmd: "pubcomp", messageId: 3 },
  { cmd: "pingresp" },
].map(packet);
const yjsFrames = (document: readonly Uint8Array[]): readonly Uint8Array[] =>
  [
    joined(0, 0, sized(bytes(1, 1, 5))),
    joined(0, 1, sized(bytes(0, 0))),
    joined(0, 2, sized(bytes(1, 1, 7, 0, 4, 1, 1, 97, 1, 98, 0))),
    joined(1, sized(joined(1, 7, 1, sized(utf8('{"name":"a"}'))))),
    joined(2, 0, sized(utf8("token"))),
    joined(3),
    joined(8, 1),
  ].flatMap((frame) => (document.length === 0 ? [frame] : [joined(...document, frame)]));
const u64 = (value: number): readonly number[] => [0, 0, 0, 0, 0, 0, 0, value];
const HANDOFF_SERVER: readonly Frame[] = [
  bytes(0x80),
  bytes(0x01, ...u64(1), 97),
  bytes(0x12, ...u64(2), ...u64(1), 98),
  bytes(0x21, ...u64(3), 99),
  bytes(0x81, ...u64(1)),
  bytes(0x82, ...u64(1), 1, 2, 3),
  bytes(0x84, 1, 2),
  bytes(0x83),
  bytes(0x03, ...u64(4), 0x0f, 0xa1, 120),
];
const PLAIN = ["a", "", "x".repeat(200), bytes(0), bytes(255, 254)];

export const DIALECTS: readonly Dialect[] = [
  { name: "stateless", profile: stateless, client: PLAIN, server: PLAIN },
  {
    name: "replay",
    profile: replay({
      first: 1,
      remember: [
        {
          match: { json: { type: "subscribe" } },
          key: "id",
          until: { json: { type: "complete" } },
        },
      ],
    }),
    client: GRAPHQL_CLIENT,
    server: GRAPHQL_SERVER,
  },
  {
    name: "graphql-transport-ws",
    profile: graphqlTransportWs(),
    client: GRAPHQL_CLIENT,
    server: GRAPHQL_SERVER,
    ...{ begins: GRAPHQL_CLIENT.slice(0, 1), greets: GRAPHQL_SERVER.slice(0, 1) },
  },
  {
    name: "socketio",
    profile: socketioProfile(),
    client: SOCKETIO_CLIENT,
    server: SOCKETIO_SERVER,
    ...{ begins: SOCKETIO_CLIENT.slice(0, 1), greets: SOCKETIO_SERVER.slice(0, 2) },
  },
  {
    name: "mqtt",
    profile: mqtt(),
    client: MQTT_CLIENT,
    server: MQTT_SERVER,
    ...{ begins: MQTT_CLIENT.slice(0, 2), greets: MQTT_SERVER.slice(0, 2) },
  },
  {
    name: "y-websocket",
    profile: yjsProfile({ dialect: "y-websocket" }),
    client: yjsFrames([]),
    server: yjsFrames([]),
  },
  {
    name: "hocuspocus",
    profile: yjsProfile({ dialect: "hocuspocus" }),
    client: yjsFrames([sized(utf8("doc"))]),
    server: yjsFrames([sized(utf8("doc"))]),
  },
  {
    name: "handoff",
    profile: handoff(),
    client: PLAIN,
    server: HANDOFF_SERVER,
    greets: HANDOFF_SERVER.slice(0, 1),
  },
];

/** A frame of the list, most often broken: bytes that flip, go, come twice, or belong elsewhere. */
export function mutated(frames: readonly Frame[], random: SeededRandom): Frame {
  const frame = random.pick(frames);
  if (random.chance(0.2)) return frame;
  const isText = typeof frame === "string";
  let now = [...(isText ? utf8(frame) : frame)];
  for (let times = 1 + random.int(3); times > 0; times--) now = broken(now, frames, random);
  // Text that is no UTF-8 never gets here: the socket ends then.
  const asText = random.chance(0.1) ? !isText : isText;
  return asText ? new TextDecoder().decode(Uint8Array.from(now)) : Uint8Array.from(now);
}

function broken(now: number[], frames: readonly Frame[], random: SeededRandom): number[] {
  const at = random.int(now.length + 1);
  switch (random.int(7)) {
    case 0:
      return now.map((byte, index) => (index === at ? random.int(256) : byte));
    case 1:
      return now.slice(0, at);
    case 2:
      return now.slice(at);
    case 3:
      return [...now.slice(0, at), random.int(256), ...now.slice(at)];
    case 4:
      return [...now, ...now].slice(0, 4096);
    case 5: {
      const other = random.pick(frames);
      return [...now.slice(0, at), ...(typeof other === "string" ? utf8(other) : other)];
    }
    default:
      // Lengths and numbers at their ends.
      return [
        ...now.slice(0, at),
        ...random.pick([[255, 255, 255, 255], [0], [127], [128, 128, 128, 128, 1]]),
        ...now.slice(at),
      ];
  }
}
