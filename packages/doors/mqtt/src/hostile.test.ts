// Owns: what hostile clients are told, and that nobody else notices: malformed packets by table and
// by mutation, wrong order, oversize, too many subscriptions.
import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/core";
import { createEngineHarness, type HandLink, TEST_SETTINGS } from "@holdfast/testkit";
import { generate, type Packet } from "mqtt-packet";
import { testDoor } from "./testing.ts";

const permissions = { subscribe: "anyone", publish: "anyone", history: "anyone" } as const;
const contract = { channels: { "{rest*}": { permissions } } };

async function start() {
  const harness = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const door = testDoor(harness);
  const join = (address?: string) => {
    const link = harness.link(address);
    const client = door.open(link);
    return { link, say: (bytes: Uint8Array) => client.message(bytes), client };
  };
  const open = async (version: 4 | 5 = 5) => {
    const one = join();
    one.say(connect(version));
    await harness.settle();
    one.link.messages.length = 0;
    return one;
  };
  return { ...harness, join, open };
}

const write = (packet: object, protocolVersion = 5): Uint8Array =>
  generate(packet as Packet, { protocolVersion });
const connect = (protocolVersion = 5, more = {}): Uint8Array =>
  write(
    { cmd: "connect", protocolId: "MQTT", protocolVersion, clean: true, clientId: "", ...more },
    protocolVersion,
  );
const bytesOf = ({ messages }: HandLink): number[] =>
  messages.flatMap((message) => [...(message as Uint8Array)]);
/** The reason of the DISCONNECT that the node sent last. */
const reasonOf = (link: HandLink): number | undefined => {
  const bytes = bytesOf(link);
  const at = bytes.lastIndexOf(0xe0);
  return at === -1 ? undefined : bytes[at + 2];
};
const text = (value: string): number[] => [
  value.length >> 8,
  value.length & 255,
  ...Buffer.from(value),
];
const packet = (lead: number, ...body: readonly number[]): Uint8Array =>
  Uint8Array.of(lead, body.length, ...body);

const MALFORMED: readonly (readonly [string, Uint8Array, number])[] = [
  ["a reserved type", packet(0x00), 0x82],
  ["a packet that only servers send", packet(0x20, 0, 0, 0), 0x82],
  ["QoS 3", packet(0x36, ...text("a"), 0, 1, 0), 0x81],
  ["DUP at QoS 0", packet(0x38, ...text("a"), 0), 0x81],
  ["packet identifier 0", packet(0x32, ...text("a"), 0, 0, 0), 0x82],
  ["a topic with a wildcard", packet(0x30, ...text("a/+"), 0), 0x90],
  ["an empty topic without an alias", packet(0x30, 0, 0, 0), 0x90],
  ["a topic with U+0000", packet(0x30, 0, 1, 0, 0), 0x81],
  ["a topic that is no UTF-8", packet(0x30, 0, 2, 0xc3, 0x28, 0), 0x81],
  ["a topic with half a surrogate pair", packet(0x30, 0, 3, 0xed, 0xa0, 0x80, 0), 0x81],
  ["a topic longer than its packet", packet(0x30, 0, 9, 0x61), 0x81],
  ["a topic of 2,000 characters", write({ cmd: "publish", topic: "a".repeat(2000) }), 0x90],
  ["a topic of 100 levels", write({ cmd: "publish", topic: "/".repeat(99) }), 0x90],
  ["an alias of 0", packet(0x30, ...text("a"), 3, 35, 0, 0), 0x94],
  ["an alias over the limit", packet(0x30, ...text("a"), 3, 35, 0, 9), 0x94],
  ["an alias without a topic", packet(0x30, 0, 0, 3, 35, 0, 2), 0x82],
  ["two aliases", packet(0x30, ...text("a"), 6, 35, 0, 1, 35, 0, 1), 0x82],
  ["a property of another packet", packet(0x30, ...text("a"), 3, 19, 0, 1), 0x82],
  ["an unknown property", packet(0x30, ...text("a"), 2, 99, 0), 0x82],
  ["properties longer than the packet", packet(0x30, ...text("a"), 90, 1), 0x81],
  ["a payload format of 2", packet(0x30, ...text("a"), 2, 1, 2), 0x82],
  ["a subscription identifier of a client", packet(0x30, ...text("a"), 2, 11, 1), 0x82],
  ["flags of PUBREL", packet(0x60, 0, 1), 0x81],
  ["bytes behind an acknowledgement", packet(0x40, 0, 1, 0, 0, 7), 0x81],
  ["SUBSCRIBE without a filter", packet(0x82, 0, 1, 0), 0x82],
  ["subscription QoS 3", packet(0x82, 0, 1, 0, ...text("a"), 3), 0x81],
  ["reserved subscription options", packet(0x82, 0, 1, 0, ...text("a"), 0x40), 0x81],
  ["retain handling 3", packet(0x82, 0, 1, 0, ...text("a"), 0x30), 0x82],
  ["No Local in a shared subscription", packet(0x82, 0, 1, 0, ...text("$share/g/a"), 4), 0x82],
  ["a filter with # before its end", packet(0x82, 0, 1, 0, ...text("#/a"), 0), 0x8f],
  ["a filter with a + inside a level", packet(0x82, 0, 1, 0, ...text("a+"), 0), 0x8f],
  ["a shared filter without a name", packet(0x82, 0, 1, 0, ...text("$share//a"), 0), 0x8f],
  ["a subscription identifier of 0", packet(0x82, 0, 1, 2, 11, 0, ...text("a"), 0), 0x82],
  ["UNSUBSCRIBE without a filter", packet(0xa2, 0, 1, 0), 0x82],
  ["PINGREQ with a body", packet(0xc0, 1), 0x81],
  ["AUTH without a method", packet(0xf0), 0x82],
  ["a second CONNECT", connect(), 0x82],
  ["a remaining length of five bytes", Uint8Array.of(0x30, 255, 255, 255, 255, 1), 0x81],
  ["a packet over the limit", Uint8Array.of(0x30, 255, 255, 255, 127), 0x95],
];

test("each malformed packet ends its connection with its reason, and no other", async () => {
  const node = await start();
  const other = await node.open();
  other.say(write({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a", qos: 0 }] }));
  for (const [what, bytes, reason] of MALFORMED) {
    const rude = await node.open();
    rude.say(bytes);
    await node.settle();
    expect([what, reasonOf(rude.link)]).toEqual([what, reason]);
    expect(rude.link.closedWith).toBeDefined();
  }
  other.link.messages.length = 0;
  await node.engine.publish("a", { payload: { kind: "json", text: "1" } });
  await node.settle();
  expect(bytesOf(other.link)[0]).toBe(0x30);
  expect(node.bugs).toEqual([]);
});

const REFUSED: readonly (readonly [string, Uint8Array, readonly number[]])[] = [
  [
    "MQTT 3.1",
    write(
      { cmd: "connect", protocolId: "MQIsdp", protocolVersion: 3, clean: true, clientId: "a" },
      3,
    ),
    [0x20, 2, 0, 1],
  ],
  [
    "an authentication method",
    connect(5, { properties: { authenticationMethod: "SCRAM" } }),
    [0x20],
  ],
  [
    "a token that is wrong",
    connect(4, { username: "u", password: Buffer.from("no") }),
    [0x20, 2, 0, 4],
  ],
  [
    "no identifier for a session that is kept",
    packet(0x10, ...text("MQTT"), 4, 0, 0, 0, 0, 0),
    [0x20, 2, 0, 2],
  ],
  ["an identifier that is too long", connect(4, { clientId: "x".repeat(300) }), [0x20, 2, 0, 2]],
];

test("each CONNECT that is refused is told why", async () => {
  const node = await start();
  for (const [what, bytes, answer] of REFUSED) {
    const rude = node.join();
    rude.say(bytes);
    await node.settle();
    expect([what, bytesOf(rude.link).slice(0, answer.length)]).toEqual([what, [...answer]]);
    expect(rude.link.closedWith).toBeDefined();
  }
  const early = node.join();
  early.say(packet(0xc0));
  await node.settle();
  expect(early.link.closedWith).toBeDefined();
  expect(early.link.messages.length).toBe(0);
});

/** `MQTT_MUTATIONS=1000000` for the long run. */
const MUTATIONS = Number(process.env.MQTT_MUTATIONS ?? 5000);

test("packets that were changed at random crash nothing, and hold nothing", async () => {
  const node = await start();
  const other = await node.open();
  other.say(write({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "safe", qos: 0 }] }));
  await node.settle();
  const random = createSeededRandom(20_261_130);
  const seeds = [
    ...MALFORMED.map(([, bytes]) => bytes),
    ...REFUSED.map(([, bytes]) => bytes),
    write({
      cmd: "publish",
      topic: "a/b",
      payload: "x",
      qos: 2,
      messageId: 7,
      properties: { userProperties: { a: "b" }, messageExpiryInterval: 5, topicAlias: 1 },
    }),
    write({
      cmd: "subscribe",
      messageId: 3,
      subscriptions: [
        { topic: "a/#", qos: 2 },
        { topic: "+", qos: 1 },
      ],
    }),
    write({ cmd: "unsubscribe", messageId: 4, unsubscriptions: ["a/#"] }),
    write({ cmd: "disconnect", reasonCode: 4, properties: { sessionExpiryInterval: 1 } }),
    connect(5, { will: { topic: "w", payload: Buffer.from("x"), qos: 1, retain: true } }),
  ];
  const below = (limit: number): number => Math.floor(random.next() * limit);
  let rude = await node.open();
  for (let round = 0; round < MUTATIONS; round++) {
    const bytes = Uint8Array.from(seeds[below(seeds.length)] as Uint8Array);
    for (let change = below(4); change >= 0; change--) bytes[below(bytes.length)] = below(256);
    // In pieces, as networks do.
    const cut = below(bytes.length + 1);
    rude.say(bytes.subarray(0, cut));
    rude.say(bytes.subarray(cut));
    if (round % 8 === 0) await node.settle();
    if (rude.link.closedWith === undefined && round % 64 !== 0) continue;
    rude.client.closed();
    rude = random.next() < 0.2 ? node.join() : await node.open(random.next() < 0.5 ? 4 : 5);
  }
  rude.client.closed();
  await node.settle();
  expect(node.bugs).toEqual([]);
  expect(node.engine.info()).toMatchObject({ connections: 1, subscriptions: 1 });
  other.link.messages.length = 0;
  await node.engine.publish("safe", { payload: { kind: "json", text: "1" } });
  await node.settle();
  expect(bytesOf(other.link)[0]).toBe(0x30);
});

test("10,000 subscriptions: what is over the limit is refused, and the client stays", async () => {
  const node = await start();
  const { link, say } = await node.open();
  for (let from = 0; from < 10_000; from += 500) {
    const subscriptions = Array.from({ length: 500 }, (_, index) => ({
      topic: `t/${from + index}`,
      qos: 0,
    }));
    say(write({ cmd: "subscribe", messageId: 1 + from, subscriptions }));
    await node.advance(1000);
  }
  expect(link.closedWith).toBeUndefined();
  expect(node.engine.info().subscriptions).toBeLessThanOrEqual(8);
  const granted = bytesOf(link).filter((byte) => byte === 0x97).length;
  expect(granted).toBeGreaterThan(9000);
});

test("a client that sends more at once than it may is ended with 0x93", async () => {
  const node = await start();
  const { link, say } = await node.open();
  const many = Array.from({ length: 40 }, (_, index) =>
    write({ cmd: "publish", topic: "a", payload: "1", qos: 2, messageId: index + 1 }),
  );
  say(Buffer.concat(many));
  await node.settle();
  expect(reasonOf(link)).toBe(0x93);
});
