// Owns: the door's codec against that of mqtt.js: each reads what the other writes.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { generate, type IConnectPacket, type Packet, parser } from "mqtt-packet";
import { NOTHING, utf8 } from "./bytes.ts";
import { decodePacket } from "./decode.ts";
import { encodeConnack, encodeDisconnect, encodePublish, encodeSuback } from "./encode.ts";
import { Framer } from "./framer.ts";
import type { Message } from "./message.ts";

const version = fc.constantFrom(4 as const, 5 as const);
const name = fc
  .string({ minLength: 1, maxLength: 40, unit: "grapheme" })
  .filter((text) => !/[+#]/.test(text) && !text.includes("\u0000") && !text.startsWith("$"));
const bytes = fc.uint8Array({ maxLength: 300 });
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);
const pid = fc.integer({ min: 1, max: 65_535 });

/** What the door reads of bytes that come in pieces. */
function read(whole: Uint8Array, cuts: readonly number[], protocol: 4 | 5) {
  const framer = new Framer();
  const places = cuts.map((cut) => cut % (whole.length + 1)).toSorted((a, b) => a - b);
  let from = 0;
  for (const to of [...places, whole.length]) {
    framer.push(whole.slice(from, to));
    from = to;
    if (to < whole.length) {
      const early = framer.next(1_000_000);
      if (early !== undefined) throw new Error("a packet before it was whole");
    }
  }
  const raw = framer.next(1_000_000);
  if (raw === undefined || "reason" in raw) throw new Error("no packet");
  expect(framer.waiting).toBe(0);
  return decodePacket(raw, protocol);
}

test("what mqtt.js publishes is read as it was meant, in whatever pieces it comes", () => {
  const cuts = fc.array(fc.nat(), { maxLength: 5 });
  fc.assert(
    fc.property(
      fc.record({ version, name, bytes, qos, pid, cuts, retain: fc.boolean(), text: fc.string() }),
      ({ version: protocolVersion, name: topic, bytes: payload, text, ...more }) => {
        const properties = { userProperties: { [text]: text }, messageExpiryInterval: 7 };
        const written = generate(
          {
            cmd: "publish",
            topic,
            payload: Buffer.from(payload),
            qos: more.qos,
            messageId: more.pid,
            retain: more.retain,
            dup: false,
            ...(protocolVersion === 5 && !text.includes("\u0000") ? { properties } : {}),
          } as Packet,
          { protocolVersion },
        );
        const found = read(written, more.cuts, protocolVersion);
        expect(found).toMatchObject({
          t: "publish",
          topic,
          qos: more.qos,
          retain: more.retain,
          pid: more.qos === 0 ? 0 : more.pid,
        });
        if ("bytes" in found)
          expect([...found.bytes.slice(found.from, found.to)]).toEqual([...payload]);
        if ("properties" in found && protocolVersion === 5 && !text.includes("\u0000"))
          expect(found.properties).toMatchObject({ messageExpiryS: 7, user: [[text, text]] });
      },
    ),
    { numRuns: 300 },
  );
});

function readTheirs(packet: Uint8Array, protocolVersion: 4 | 5): Packet {
  const reader = parser({ protocolVersion } as IConnectPacket);
  const found: Packet[] = [];
  reader.on("packet", (one) => found.push(one));
  reader.on("error", (error) => {
    throw error;
  });
  reader.parse(Buffer.from(packet));
  expect(found.length).toBe(1);
  return found[0] as Packet;
}

test("what the door sends is read by mqtt.js as it was meant", () => {
  fc.assert(
    fc.property(
      fc.record({ version, name, bytes, qos, pid, retain: fc.boolean(), ids: fc.array(pid) }),
      ({ version: protocol, name: topic, bytes: payload, ids, ...more }) => {
        const message: Message = {
          topic,
          topicBytes: utf8(topic),
          payload,
          qos: 2,
          retain: false,
          expiresMs: 5000,
          passedOn: NOTHING,
          session: undefined,
          packets: [undefined, undefined],
        };
        const written = encodePublish(message, {
          ...more,
          version: protocol,
          dup: false,
          subscriptionIds: ids,
          alias: 0,
          isKnown: false,
          wallMs: 1000,
        });
        const found = readTheirs(written, protocol);
        expect(found).toMatchObject({ cmd: "publish", topic, qos: more.qos, retain: more.retain });
        if (found.cmd !== "publish") return;
        expect([...(found.payload as Buffer)]).toEqual([...payload]);
        if (protocol === 4) return;
        expect(found.properties?.messageExpiryInterval).toBe(4);
        if (ids.length > 0) expect([found.properties?.subscriptionIdentifier].flat()).toEqual(ids);
      },
    ),
    { numRuns: 300 },
  );
});

test("answers of the door are read by mqtt.js", () => {
  const properties = { reasonString: "no", receiveMax: 9, packetBytesMax: 70_000 };
  const connack = { sessionPresent: false, reason: 0x87, properties };
  expect(readTheirs(encodeConnack({ version: 4, ...connack }), 4)).toMatchObject({ returnCode: 5 });
  expect(readTheirs(encodeConnack({ version: 5, ...connack }), 5)).toMatchObject({
    reasonCode: 0x87,
    properties: { reasonString: "no", receiveMaximum: 9, maximumPacketSize: 70_000 },
  });
  const reasons = [0, 1, 2, 0x87];
  expect(readTheirs(encodeSuback("suback", { version: 4, pid: 300, reasons }), 4)).toMatchObject({
    messageId: 300,
    granted: [0, 1, 2, 0x80],
  });
  expect(readTheirs(encodeSuback("suback", { version: 5, pid: 300, reasons }), 5)).toMatchObject({
    granted: reasons,
  });
  expect(readTheirs(encodeDisconnect(0x9c, "moved"), 5)).toMatchObject({
    reasonCode: 0x9c,
    properties: { reasonString: "moved" },
  });
});
