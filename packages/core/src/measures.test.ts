import { expect, test } from "bun:test";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";
import type { Broker } from "./ports.ts";

const contract = {
  channels: { "chat:{room}": { permissions: { subscribe: "anyone", publish: "anyone" } } },
} as const;

test("H5: a token ends its session at its expiry, not at the next sweep", async () => {
  const tokens: Record<string, { user: string; expiresAtMs: number }> = {};
  const node = await createEngineHarness({ contract, settings: TEST_SETTINGS, tokens });
  await node.advance(50);
  tokens.ada = { user: "ada", expiresAtMs: node.clock.wallMs() + 300 };
  const client = await node.connect({ token: "ada" });
  await node.advance(290);
  expect(await client.take()).toEqual([]);
  await node.advance(15);
  expect(await client.take()).toMatchObject([{ t: "goodbye", name: "token_expired" }]);
});

test("times that are told are how long something took", async () => {
  const node = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const [reader, writer] = [await node.connect(), await node.connect()];
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a" });
  await writer.send({ t: "publish", id: 2, ch: "chat:a", data: 1 });
  expect(node.observed).toContain("delivered ordered 1 0");
  const silent = node.open();
  await node.advance(TEST_SETTINGS.timeouts.handshakeMs + 1100);
  expect(await silent.take()).toMatchObject([{ t: "goodbye", name: "handshake_timeout" }]);
  const told = node.observed.find((line) => line.includes("handshake_timeout")) ?? "";
  const tookMs = Number(told.split(" ").at(-1));
  expect(tookMs).toBeGreaterThan(TEST_SETTINGS.timeouts.handshakeMs);
  expect(tookMs).toBeLessThan(TEST_SETTINGS.timeouts.handshakeMs + 1100);
});

test("an ended session is told with its code and how long it was connected", async () => {
  const node = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const [client, other] = [await node.connect(), await node.connect()];
  await node.advance(1500);
  await client.send({ t: "connect", id: 2 });
  await other.lose();
  const ended = node.observed.flatMap((line) =>
    line.startsWith("ended ") ? [JSON.parse(line.slice(6))] : [],
  );
  expect(ended).toEqual([
    { session: client.connection.session, code: "frame_invalid", connectedMs: 1500 },
    { session: other.connection.session, connectedMs: 1500 },
  ]);
});

test("a peer that does not close after the last word is cut", async () => {
  const node = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const [client, other] = [await node.connect(), await node.connect()];
  await client.send({ t: "connect", id: 2 });
  await other.send({ t: "bye" });
  const cut = () => [client.link.wasCut, other.link.wasCut];
  await node.advance(2990);
  expect(cut()).toEqual([false, false]);
  await node.advance(20);
  expect(cut()).toEqual([true, true]);
});

test("what is published while a channel is being opened reaches its first subscriber once, in order", async () => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const node = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      const { subscribe } = broker;
      broker.subscribe = async (...args: Parameters<Broker["subscribe"]>) => {
        const position = await subscribe.apply(broker, args);
        if (args[0] === "chat:a") await gate;
        return position;
      };
      return broker;
    },
  });
  const [reader, writer] = [await node.connect(), await node.connect()];
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a" });
  await writer.send(
    { t: "publish", id: 2, ch: "chat:a", data: 1 },
    { t: "publish", id: 3, ch: "chat:a", data: 2 },
  );
  expect(await reader.take()).toEqual([]);
  open();
  const frames = await reader.take();
  const subscribed = frames[0];
  const begin = subscribed?.t === "subscribed" ? subscribed.pos.offset : -1;
  const offsets = frames.flatMap((frame) => (frame.t === "pub" ? [frame.o] : []));
  expect(offsets).toEqual([1, 2].filter((offset) => offset > begin));
  await writer.send({ t: "publish", id: 4, ch: "chat:a", data: 3 });
  expect(await reader.take()).toMatchObject([{ t: "pub", o: 3 }]);
});

test("new settings of admission hold from now on", async () => {
  const node = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const admission = { ...TEST_SETTINGS.admission, handshakesPerSecond: 1 };
  node.engine.configure({ ...TEST_SETTINGS, admission });
  const answers = new Set<string>();
  for (let i = 0; i < 5; i++) {
    const client = node.open({ address: `10.0.0.${i}` });
    await client.send({ t: "connect", id: 1 });
    const [frame] = await client.take();
    if (frame !== undefined) answers.add(frame.t === "goodbye" ? frame.name : frame.t);
  }
  expect(answers).toContain("try_later");
});

test("settings that change hold for what a node tells of its own capacity", async () => {
  const node = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  node.engine.configure({
    ...TEST_SETTINGS,
    admission: { ...TEST_SETTINGS.admission, handshakesPerSecond: 77 },
  });
  expect(node.engine.info().handshakesPerSecond).toBe(77);
});
