import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import { generate, type Packet, parser } from "mqtt-packet";
import { type Backend, World } from "../testing/world.ts";
import { type MqttRules, mqtt } from "./mqtt.ts";
import { type Packet as Cut, PacketReader, propertiesAt } from "./mqtt-packets.ts";

interface Options {
  readonly version?: 4 | 5;
  readonly rules?: MqttRules;
  /** What brokers say to CONNECT, one after the other; the last for more. */
  readonly connacks?: readonly object[];
  readonly waitingBytesMax?: number;
}

function world({ version = 5, rules = {}, connacks = [{}], waitingBytesMax }: Options = {}) {
  const heard: Packet[][] = [];
  const write = (packet: Packet): Uint8Array => generate(packet, { protocolVersion: version });
  const one = new World({
    ...{ profile: mqtt(rules), random: createSeededRandom(1) },
    limits: waitingBytesMax === undefined ? {} : { waitingBytesMax },
    fate: () => ({ opens: "well", delayMs: 2 }),
    backend: (): Backend => {
      const packets: Packet[] = [];
      heard.push(packets);
      const connack = connacks[Math.min(heard.length, connacks.length) - 1];
      const reader = parser({ protocolVersion: version });
      let send = (_: Uint8Array): void => {};
      let close = (_: number): void => {};
      reader.on("packet", (packet: Packet) => {
        packets.push(packet);
        if (packet.cmd === "connect") {
          const answer = { cmd: "connack", sessionPresent: false, returnCode: 0, reasonCode: 0 };
          send(write({ ...answer, ...connack } as Packet));
        }
        if (packet.cmd === "subscribe")
          send(write({ cmd: "suback", messageId: packet.messageId ?? 0, granted: [1] }));
        if (packet.cmd === "disconnect") close(1000);
      });
      return {
        received(frame, sends, closes) {
          [send, close] = [sends, closes];
          if (typeof frame !== "string") reader.parse(Buffer.from(frame));
        },
      };
    },
  });
  const got = (): readonly Packet[] => {
    const packets: Packet[] = [];
    const reader = parser({ protocolVersion: version });
    reader.on("packet", (packet: Packet) => packets.push(packet));
    for (const frame of one.got) reader.parse(Buffer.from(frame as Uint8Array));
    return packets;
  };
  const say = (packet: object): void => {
    one.fromClient(write(packet as Packet));
    one.clock.advance(20);
  };
  const login = (more: object = {}): void =>
    say({
      ...{ cmd: "connect", clientId: "c", protocolVersion: version, protocolId: "MQTT" },
      ...{ clean: true, keepalive: 60, ...more },
    });
  const hears = (packet: object): void => {
    const { home } = one.held;
    if (home !== undefined) one.held.fromHome(home, write(packet as Packet));
  };
  const lose = (): void => {
    one.kill();
    one.clock.advance(50);
  };
  return { one, heard, got, say, login, hears, lose, write };
}
const names = (packets: readonly Packet[] | undefined) => packets?.map(({ cmd }) => cmd);
const publish = { cmd: "publish", topic: "t", payload: "x", retain: false, dup: false };

test.each([
  [5, true, false],
  [4, true, true],
  [4, false, false],
] as const)(
  "version %d, clean %p: the next broker is asked with clean %p",
  (version, clean, next) => {
    const { heard, login, lose } = world({ version });
    login({ clean });
    lose();
    expect(heard.map(([first]) => (first as { clean?: boolean }).clean)).toEqual([clean, next]);
  },
);

test("the client hears one CONNACK, without aliases; its assigned id is kept", () => {
  const properties = {
    assignedClientIdentifier: "given",
    topicAliasMaximum: 10,
    receiveMaximum: 5,
  };
  const { heard, got, login, lose } = world({ connacks: [{ properties }] });
  login({ clientId: "" });
  lose();
  expect(heard[1]?.[0]).toMatchObject({ cmd: "connect", clientId: "given", clean: false });
  expect(got()).toMatchObject([
    { cmd: "connack", properties: { ...properties, topicAliasMaximum: 0 } },
  ]);
});

test("a client that no broker has answered is asked for by the next one as it asked", () => {
  const { one, heard, login } = world();
  one.kill();
  one.clock.advance(2);
  login({ clean: true });
  one.clock.advance(50);
  expect(heard[1]).toMatchObject([{ cmd: "connect", clean: true }]);
});

test("subscriptions are made again as they stand, unless the broker has the session", () => {
  for (const sessionPresent of [false, true]) {
    const { heard, say, login, hears, lose } = world({ connacks: [{}, { sessionPresent }] });
    login();
    const subscribe = (messageId: number, topic: string, id?: number): void =>
      say({
        ...{ cmd: "subscribe", messageId, subscriptions: [{ topic, qos: 1 }] },
        ...(id === undefined ? {} : { properties: { subscriptionIdentifier: id } }),
      });
    subscribe(1, "a");
    subscribe(2, "b", 7);
    subscribe(3, "c");
    say({ cmd: "unsubscribe", messageId: 4, unsubscriptions: ["a"] });
    hears({ cmd: "unsuback", messageId: 4, granted: [0] });
    lose();
    const again = heard[1]?.slice(1).map((packet) => ({
      topics: (packet as { subscriptions?: { topic: string }[] }).subscriptions?.map(
        ({ topic }) => topic,
      ),
      id: (packet as { properties?: { subscriptionIdentifier?: unknown } }).properties
        ?.subscriptionIdentifier,
    }));
    const all = [
      { topics: ["b"], id: 7 },
      { topics: ["c"], id: undefined },
    ];
    expect(again).toEqual(sessionPresent ? [] : all);
  }
});

test("what is unanswered is sent again in its order; a PUBLISH with DUP, with the same id", () => {
  const { heard, say, login, hears, lose } = world({ connacks: [{}, { sessionPresent: true }] });
  login();
  for (const [messageId, qos] of [
    [5, 1],
    [6, 2],
    [7, 2],
    [8, 1],
  ] as const)
    say({ ...publish, messageId, qos });
  hears({ cmd: "puback", messageId: 8, reasonCode: 0 });
  hears({ cmd: "pubrec", messageId: 6, reasonCode: 0 });
  say({ cmd: "pubrel", messageId: 6, reasonCode: 0 });
  hears({ cmd: "pubrec", messageId: 7, reasonCode: 0x97 });
  lose();
  expect(heard[1]?.slice(1)).toMatchObject([
    { cmd: "publish", messageId: 5, qos: 1, dup: true },
    { cmd: "pubrel", messageId: 6 },
  ]);
});

test("a broker without the session: acknowledgements of what the former one sent go nowhere", () => {
  const { heard, got, say, login, hears, lose } = world();
  login();
  for (const [messageId, qos] of [
    [1, 1],
    [2, 2],
    [3, 2],
  ] as const)
    hears({ ...publish, messageId, qos });
  say({ cmd: "pubrec", messageId: 3, reasonCode: 0 });
  lose();
  for (const [cmd, messageId] of [
    ["puback", 1],
    ["pubrec", 2],
    ["pubcomp", 2],
    ["pubcomp", 3],
  ])
    say({ cmd, messageId, reasonCode: 0 });
  expect(names(heard[1])).toEqual(["connect"]);
  // The client gets what the former broker owed: each message of QoS 2 is released once.
  expect(
    got()
      .filter(({ cmd }) => cmd === "pubrel")
      .map(({ messageId }) => messageId),
  ).toEqual([3, 2]);
  // Ids that the next broker uses are its own.
  hears({ ...publish, messageId: 1, qos: 1 });
  say({ cmd: "puback", messageId: 1, reasonCode: 0 });
  expect(names(heard[1])).toEqual(["connect", "puback"]);
});

test.each([0x8b, 0x9c, 0x9d])(
  "a broker's goodbye %p means a move, and is not heard",
  (reasonCode) => {
    const { one, heard, got, login, hears } = world();
    login();
    hears({ cmd: "disconnect", reasonCode });
    one.closeHome(1000);
    one.clock.advance(50);
    expect([one.closed, names(heard[1]), names(got())]).toEqual([
      undefined,
      ["connect"],
      ["connack"],
    ]);
  },
);

test("any other goodbye is the client's, and so is a refusal; its socket is closed with them", () => {
  const kicked = world();
  kicked.login();
  kicked.hears({ cmd: "disconnect", reasonCode: 0x8e });
  kicked.one.closeHome(1000);
  kicked.one.clock.advance(50);
  expect([names(kicked.got()), kicked.one.closed?.code]).toEqual([["connack", "disconnect"], 1000]);
  const refused = world({ connacks: [{ returnCode: 5, reasonCode: 0x87 }] });
  refused.login();
  refused.one.closeHome(1000);
  refused.one.clock.advance(50);
  expect([names(refused.got()), refused.one.homes.length]).toEqual([["connack"], 1]);
});

test("a client's own goodbye ends it, whatever becomes of the broker's socket", () => {
  const { one, say, login } = world();
  login();
  say({ cmd: "disconnect", reasonCode: 0 });
  one.clock.advance(50);
  expect([one.homes.length, one.closed?.code]).toEqual([1, 1000]);
});

test("a next broker that refuses the client, or a subscription, does not get it", () => {
  const { one, login, lose } = world({ connacks: [{}, { returnCode: 3, reasonCode: 0x88 }, {}] });
  login();
  lose();
  one.clock.advance(500);
  expect(one.moveFailures).toEqual(["it answered CONNECT with 136"]);
  expect(one.homes.map(({ state }) => state)).toEqual(["gone", "gone", "open"]);
});

test("pings are answered with and without a broker; one that is silent is left", () => {
  const { one, heard, got, say, login } = world({ rules: { pingMsMax: 1000 } });
  login();
  say({ cmd: "pingreq" });
  expect([names(heard[0])?.at(-1), names(got())]).toEqual(["pingreq", ["connack", "pingresp"]]);
  one.clock.advance(1100);
  expect([one.homes.length, one.closed]).toEqual([2, undefined]);
  one.kill();
  one.clock.advance(1);
  one.fromClient(Uint8Array.of(0xc0, 0));
  expect(names(got())).toEqual(["connack", "pingresp", "pingresp"]);
});

test("a broker that answers pings keeps its client", () => {
  const { one, say, login, hears } = world({ rules: { pingMsMax: 1000 } });
  login();
  for (let i = 0; i < 5; i++) {
    say({ cmd: "pingreq" });
    hears({ cmd: "pingresp" });
    one.clock.advance(1100);
  }
  expect(one.homes.length).toBe(1);
});

test("a packet that a broker did not end is not mixed with those of the next one", () => {
  const { one, got, login, lose, write } = world({ connacks: [{}, { sessionPresent: true }] });
  login();
  const bytes = write({ ...publish, payload: "whole", qos: 0 } as Packet);
  one.held.fromHome(0, bytes.subarray(0, 5));
  lose();
  one.held.fromHome(1, bytes.subarray(0, 3));
  one.held.fromHome(1, bytes.subarray(3));
  expect(names(got())).toEqual(["connack", "publish"]);
});

test("a message of the next broker that came in parts, before and after it took over, is whole", () => {
  const { one, got, login, write } = world({ connacks: [{}] });
  login();
  const connack = { cmd: "connack", sessionPresent: true, returnCode: 0, reasonCode: 0 };
  const bytes = write({ ...publish, payload: "whole", qos: 0 } as Packet);
  one.kill();
  // The next broker is open, and has not answered yet.
  for (let i = 0; i < 50 && one.homes[1]?.state !== "open"; i++) one.clock.advance(1);
  const first = Buffer.concat([write(connack as Packet), bytes.subarray(0, 4)]);
  one.held.fromHome(1, new Uint8Array(first));
  one.held.fromHome(1, bytes.subarray(4));
  expect(one.held.home).toBe(1);
  expect(names(got())).toEqual(["connack", "publish"]);
});

test("what looks like a ping within another packet is none", () => {
  const { one, heard, login, write } = world();
  login();
  const bytes = write({ ...publish, payload: Buffer.from([0xc0, 0]), qos: 0 } as Packet);
  one.fromClient(bytes.subarray(0, bytes.length - 2));
  one.fromClient(bytes.subarray(bytes.length - 2));
  one.clock.advance(20);
  expect(names(heard[0])).toEqual(["connect", "publish"]);
});

test.each([
  ["text", "hello", 1003],
  ["a length without end", Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff), 1002],
  ["a packet over the limit", Uint8Array.of(0x30, 0xff, 0xff, 0x7f), 1009],
] as const)("G2: %s of the client closes it", (_name, frame, code) => {
  const { one, login } = world();
  login();
  one.fromClient(frame);
  expect([one.closed?.code, one.roomTaken]).toEqual([code, 0]);
});

test("G4: a broker that acknowledges what nobody sent leaves nothing behind", () => {
  const { one, login, hears } = world();
  login();
  const before = one.roomTaken;
  for (let messageId = 1; messageId < 50; messageId++)
    for (const cmd of ["puback", "pubrec", "pubcomp"]) hears({ cmd, messageId, reasonCode: 0 });
  for (let messageId = 50; messageId < 99; messageId++)
    hears({ cmd: "pubrec", messageId, reasonCode: 0 });
  expect(one.roomTaken).toBe(before);
});

test("G4: a client is read no further while too much is unacknowledged", () => {
  const { one, say, login, hears } = world({ rules: { unacknowledgedBytesMax: 2000 } });
  login();
  let sent = 0;
  for (let i = 1; i < 100 && !one.paused; i++, sent++)
    say({ ...publish, payload: "x".repeat(100), messageId: i, qos: 1 });
  expect(one.paused).toBe(true);
  for (let i = 1; i <= sent; i++) hears({ cmd: "puback", messageId: i, reasonCode: 0 });
  expect([one.paused, one.closed]).toEqual([false, undefined]);
});

test("a lost session closes the client, if the route says so and it had one", () => {
  for (const [expiry, closes] of [
    [3600, true],
    [0, false],
  ] as const) {
    const { one, login, lose } = world({ rules: { lostSession: "close" } });
    login({ properties: { sessionExpiryInterval: expiry } });
    lose();
    expect(one.closed?.code).toBe(closes ? 1012 : undefined);
  }
});

test("a client that logs in by a dialogue is told to do so again", () => {
  const { one, login, lose } = world();
  login({ properties: { authenticationMethod: "SCRAM", authenticationData: Buffer.from("x") } });
  lose();
  expect(one.closed?.code).toBe(1012);
});

test("packets are found in any pieces, and nothing else is kept", () => {
  const random = createSeededRandom(7);
  for (let round = 0; round < 300; round++) {
    const packets = Array.from({ length: 5 }, (_, i) =>
      generate({
        ...publish,
        topic: `t${i}`,
        payload: "x".repeat(random.int(300)),
        qos: 0,
      } as Packet),
    );
    const all = Buffer.concat(packets);
    const reader = new PacketReader(10_000);
    const found: Cut[] = [];
    for (let at = 0; at < all.length; ) {
      const to = at + 1 + random.int(200);
      for (const packet of reader.read(all.subarray(at, to)))
        if (typeof packet !== "string") found.push({ ...packet, bytes: packet.bytes.slice() });
      at = to;
    }
    expect(found.map(({ bytes }) => Buffer.from(bytes).toString("hex"))).toEqual(
      packets.map((packet) => packet.toString("hex")),
    );
    expect(reader.bytes).toBe(0);
  }
});

test("properties that are not what they should be are none", () => {
  for (const bytes of [
    [],
    [5],
    [2, 99, 0],
    [3, 17, 0, 0],
    [4, 31, 0, 9, 1],
    [0xff, 0xff, 0xff, 0xff],
  ])
    expect(propertiesAt(Uint8Array.from(bytes), 0)).toBeUndefined();
  expect(propertiesAt(Uint8Array.of(0), 0)?.list).toEqual([]);
});
