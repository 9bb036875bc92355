import { describeDoor } from "@holdfast/testkit/contract";
import { generate, type IConnectPacket, type Packet, parser } from "mqtt-packet";
import { testDoor } from "./testing.ts";

for (const protocolVersion of [4, 5] as const)
  describeDoor(`mqtt ${protocolVersion}`, (engine, link, harness) => {
    const door = testDoor(harness, engine);
    const client = door.open(link);
    const send = (packet: Packet): void => client.message(generate(packet, { protocolVersion }));
    const reader = parser({ protocolVersion } as IConnectPacket);
    const packets: Packet[] = [];
    reader.on("packet", (packet) => packets.push(packet));
    let pid = 0;
    return {
      connect: () =>
        send({ cmd: "connect", protocolId: "MQTT", protocolVersion, clean: true, clientId: "" }),
      subscribe: (topic) => {
        pid += 1;
        send({ cmd: "subscribe", messageId: pid, subscriptions: [{ topic, qos: 0 }] });
      },
      publish: (topic, text) => {
        pid += 1;
        const payload = JSON.stringify(text);
        send({ cmd: "publish", topic, payload, qos: 1, messageId: pid, dup: false, retain: false });
      },
      sayNonsense: () => client.message(new Uint8Array([0xf0, 0x00])),
      received: () => {
        for (const message of link.messages.splice(0)) reader.parse(Buffer.from(message));
        return packets
          .splice(0)
          .flatMap((packet) =>
            packet.cmd === "publish" ? [JSON.parse(packet.payload.toString())] : [],
          );
      },
      lose: () => client.closed(),
    };
  });
