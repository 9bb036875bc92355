// Owns: packets that a client sends without waiting for the answers to those before.
import { expect, test } from "bun:test";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";
import { generate, type IConnectPacket, type Packet, parser } from "mqtt-packet";
import { testDoor } from "./testing.ts";

const permissions = { subscribe: "anyone", publish: "anyone", history: "anyone" } as const;
const contract = { channels: { "{rest*}": { permissions } } };

async function start() {
  const harness = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const link = harness.link();
  const client = testDoor(harness).open(link);
  const packets: Packet[] = [];
  const reader = parser({ protocolVersion: 5 } as IConnectPacket);
  reader.on("packet", (packet) => packets.push(packet));
  const say = (...all: object[]): void =>
    client.message(
      Buffer.concat(all.map((packet) => generate(packet as Packet, { protocolVersion: 5 }))),
    );
  const settle = async (): Promise<void> => {
    await harness.advance(50);
    for (const message of link.messages.splice(0)) reader.parse(Buffer.from(message));
  };
  say({ cmd: "connect", protocolId: "MQTT", protocolVersion: 5, clean: true, clientId: "" });
  await settle();
  return { say, settle, packets };
}

const subscribe = (messageId: number, topic: string, subscriptionIdentifier: number) => ({
  ...{ cmd: "subscribe", messageId, subscriptions: [{ topic, qos: 0 }] },
  properties: { subscriptionIdentifier },
});
const publish = { cmd: "publish", topic: "a/b", payload: "x", qos: 0, dup: false, retain: false };

test("a message right behind SUBSCRIBE has the identifiers of every filter that it fits", async () => {
  for (let round = 0; round < 2; round++) {
    const { say, settle, packets } = await start();
    // In the second round the node knows the channel already.
    if (round === 1) {
      say(subscribe(1, "a/+", 9));
      await settle();
      say(publish);
      await settle();
      packets.length = 0;
    }
    say(subscribe(2, "a/b", 2), subscribe(3, "a/#", 3), publish);
    await settle();
    const messages = packets.filter(({ cmd }) => cmd === "publish");
    expect(messages.length).toBe(1);
    const { subscriptionIdentifier = [] } = (
      messages[0] as Packet & {
        properties: { subscriptionIdentifier?: number[] };
      }
    ).properties;
    const ids = [subscriptionIdentifier].flat().toSorted();
    expect(ids).toEqual(round === 0 ? [2, 3] : [2, 3, 9]);
  }
});

test("UNSUBSCRIBE right behind SUBSCRIBE: both are answered, in order", async () => {
  const { say, settle, packets } = await start();
  say(subscribe(1, "a/b", 1), { cmd: "unsubscribe", messageId: 2, unsubscriptions: ["a/b"] });
  await settle();
  const answers = packets.map(({ cmd }) => cmd).filter((cmd) => cmd.endsWith("back"));
  expect(answers).toEqual(["suback", "unsuback"]);
});
