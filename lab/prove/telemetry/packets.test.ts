// Owns: tests of the devices' packets against mqtt-packet, which other clients use.
import { expect, test } from "bun:test";
import mqttPacket from "mqtt-packet";
import { connectPacket, markAgain, PacketReader, publishPacket } from "./packets.ts";

const OPTIONS = { protocolVersion: 5 };

function parsed(bytes: Uint8Array): Record<string, unknown> {
  let found: Record<string, unknown> = {};
  const parser = mqttPacket.parser(OPTIONS);
  parser.on("packet", (packet) => {
    found = packet as unknown as Record<string, unknown>;
  });
  parser.parse(Buffer.from(bytes));
  return found;
}

test("CONNECT asks for a session that goes on", () => {
  const bytes = connectPacket({
    ...{ clientId: "d7", password: "a token", keepAliveS: 30, sessionExpiryS: 3600 },
  });
  const { clientId, clean, keepalive, username, password, properties } = parsed(bytes);
  expect({ clientId, clean, keepalive, username, password: String(password), properties }).toEqual({
    ...{ clientId: "d7", clean: false, keepalive: 30, username: "d7", password: "a token" },
    properties: { sessionExpiryInterval: 3600 },
  });
});

test.each([1, 100, 200, 20_000])("PUBLISH of %d characters, and again with DUP", (length) => {
  const bytes = publishPacket("telemetry/s1/d7", 4711, "x".repeat(length));
  for (const dup of [false, true]) {
    const { topic, qos, messageId, payload, dup: isDup } = parsed(dup ? markAgain(bytes) : bytes);
    expect({ topic, qos, messageId, isDup }).toEqual({
      ...{ topic: "telemetry/s1/d7", qos: 1, messageId: 4711, isDup: dup },
    });
    expect(String(payload)).toBe("x".repeat(length));
  }
});

test("what a node says is read, however it is cut", () => {
  const properties = {
    ...{ receiveMaximum: 77, assignedClientIdentifier: "abc", maximumPacketSize: 5000 },
    ...{ topicAliasMaximum: 16, sharedSubscriptionAvailable: true },
  };
  const bytes = Buffer.concat([
    mqttPacket.generate(
      { cmd: "connack", sessionPresent: true, reasonCode: 0, properties } as never,
      OPTIONS,
    ),
    mqttPacket.generate({ cmd: "puback", messageId: 300, reasonCode: 0 } as never, OPTIONS),
    mqttPacket.generate({ cmd: "puback", messageId: 301, reasonCode: 0x97 } as never, OPTIONS),
    mqttPacket.generate({ cmd: "pingresp" } as never, OPTIONS),
    mqttPacket.generate({ cmd: "disconnect", reasonCode: 0x9c } as never, OPTIONS),
  ]);
  for (const step of [1, 3, bytes.length]) {
    const reader = new PacketReader();
    const found = [];
    for (let at = 0; at < bytes.length; at += step)
      found.push(...reader.push(bytes.subarray(at, at + step)));
    expect(found).toEqual([
      { kind: "connack", sessionPresent: true, reason: 0, receiveMax: 77 },
      { kind: "puback", pid: 300, reason: 0 },
      { kind: "puback", pid: 301, reason: 0x97 },
      { kind: "other" },
      { kind: "disconnect", reason: 0x9c },
    ]);
  }
});
