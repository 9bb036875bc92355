import { expect, test } from "bun:test";
import {
  type ClientFrame,
  jsonClientCodec,
  type ServerFrame,
  SUBPROTOCOL_JSON,
  SUBPROTOCOL_MSGPACK,
} from "@holdfast/protocol";
import { msgpackClientCodec } from "@holdfast/protocol/msgpack";
import { createEngineHarness, HandLink, TEST_SETTINGS } from "@holdfast/testkit";
import { createNativeDoor } from "./native-door.ts";

const CONNECT: ClientFrame = { t: "connect", id: 1 };
const start = async () => {
  const harness = await createEngineHarness({
    contract: { channels: { "chat:{room}": {} } },
    settings: TEST_SETTINGS,
  });
  return { ...harness, door: createNativeDoor(harness.engine) };
};

test("the client's first choice of our subprotocols wins, and none offered is JSON", async () => {
  const table: readonly (readonly [string | null, string, "json" | "msgpack"])[] = [
    [null, "", "json"],
    ["  ", "", "json"],
    [SUBPROTOCOL_JSON, SUBPROTOCOL_JSON, "json"],
    [`x, ${SUBPROTOCOL_MSGPACK}, ${SUBPROTOCOL_JSON}`, SUBPROTOCOL_MSGPACK, "msgpack"],
    [`constructor,${SUBPROTOCOL_JSON}`, SUBPROTOCOL_JSON, "json"],
  ];
  for (const [offered, subprotocol, name] of table) {
    const { door, engine, settle } = await start();
    const accepted = door.accept(offered);
    expect(accepted.subprotocol).toBe(subprotocol);
    const codec = name === "json" ? jsonClientCodec : msgpackClientCodec;
    accepted.open(new HandLink()).message(codec.encode(CONNECT));
    await settle();
    expect(engine.sessions({ limit: 10 }).map((session) => session.codec)).toEqual([name]);
  }
});

test("a client that offers only others is told in JSON that its version is unsupported", async () => {
  const { door, settle, observed } = await start();
  const accepted = door.accept("x, y");
  expect(accepted.subprotocol).toBe("x");
  const link = new HandLink();
  accepted.open(link).message(jsonClientCodec.encode(CONNECT));
  await settle();
  const frames = link.messages.map((message) => JSON.parse(String(message)) as ServerFrame);
  expect(frames.map((frame) => frame.t === "goodbye" && frame.name)).toEqual([
    "version_unsupported",
  ]);
  expect(link.closedWith?.reason).toBe("version_unsupported");
  expect(observed).toContain("handshake refused version_unsupported 0");
});

test("a message over the limit ends the connection before it is read", async () => {
  const { door, settle, engine } = await start();
  const link = new HandLink();
  const client = door.open(link, "json");
  client.message(jsonClientCodec.encode(CONNECT));
  await settle();
  // Three bytes a character in UTF-8: a third of the limit in length is enough.
  client.message("\u20ac".repeat(Math.ceil(engine.limits().messageBytesMax / 3) + 1));
  expect(link.closedWith?.reason).toBe("frame_too_large");
});
