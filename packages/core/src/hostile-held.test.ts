// Owns: tests of the sentence in SECURITY.md, one hostile client cannot hurt another, for the room
// of what clients sent and that waits in the node.
import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import {
  createEngineHarness,
  type EngineHarness,
  type HandClient,
  TEST_SETTINGS,
} from "@holdfast/testkit";

const MIB = 1024 * 1024;
const MAX = 64 * MIB;
const HOSTILE = ["10.0.0.66", "10.0.0.67"];
const contract: ContractDefinition = {
  channels: { "chat:{room}": { permissions: { subscribe: "anyone", history: "anyone" } } },
};
const node = (more: Partial<Parameters<typeof createEngineHarness>[0]> = {}) =>
  createEngineHarness({
    contract,
    anonymous: true,
    settings: {
      ...TEST_SETTINGS,
      limits: {
        ...TEST_SETTINGS.limits,
        connectionsMax: 10_000,
        connectionsPerAddressMax: 5000,
        handshakesInFlightMax: 5000,
        framesPerSecondMax: 1e6,
        receivedBytesPerSecondMax: 1e9,
        nodeReceivedBytesPerSecondMax: 1e10,
      },
      flow: FLOW,
      admission: { ...TEST_SETTINGS.admission, handshakesPerSecond: 1e6 },
    },
    ...more,
  });
/** The answers in the making that fit are many, as by default. */
const FLOW = { ...TEST_SETTINGS.flow, lagBytes: 256 * 1024, queueBytesMax: 4 * MIB };
const connected = async ({ open }: EngineHarness, address: string): Promise<HandClient> => {
  const client = open({ address });
  await client.send({ t: "connect", id: 1 });
  await client.take();
  return client;
};
/** The network takes nothing more, and has what the node lets wait there. */
const stall = ({ link, connection }: HandClient): void => {
  link.stalled = true;
  link.buffered = FLOW.lagBytes;
  connection.queued = true;
};
const padded = `{"t":"ping","id":2,"x":"${"x".repeat(60_000)}"}`;

test("two addresses that send without end and do not read are ended, and another's messages wait", async () => {
  const harness = await node();
  const { engine } = harness;
  const good = await connected(harness, "10.0.1.1");
  let flooded = 0;
  for (let i = 0; i < 40; i++) {
    const hostile = await connected(harness, HOSTILE[i % 2] as string);
    stall(hostile);
    for (let k = 0; k < 50; k++) await hostile.sendText(padded);
    if (hostile.connection.endedWith === "flooded") flooded += 1;
    expect(engine.info().heldBytes).toBeLessThanOrEqual((MAX * 2) / 3);
  }
  expect(flooded).toBeGreaterThan(10);
  expect(engine.info().heldBytes).toBeGreaterThan(MAX / 3);
  expect(harness.observed).toContain("overShare held");
  stall(good);
  for (let k = 0; k < 10; k++) await good.sendText(padded);
  await good.drain();
  await harness.advance(100);
  expect((await good.take()).filter(({ t }) => t === "pong")).toHaveLength(10);
  expect(harness.bugs).toEqual([]);
});

test("what waits is given back when the connections that sent it have gone", async () => {
  const harness = await node();
  const clients: HandClient[] = [];
  for (let i = 0; i < 10; i++) {
    const client = await connected(harness, HOSTILE[0] as string);
    stall(client);
    for (let k = 0; k < 10; k++) await client.sendText(padded);
    clients.push(client);
  }
  expect(harness.engine.info().heldBytes).toBeGreaterThan(5 * MIB);
  for (const client of clients.slice(0, 5)) await client.lose();
  for (const client of clients.slice(5)) await client.drain();
  await harness.advance(1000);
  expect(harness.engine.info().heldBytes).toBe(0);
});

test("requests that wait behind others on their channel are refused to the address with too many", async () => {
  const harness = await node({
    contract: {
      channels: {
        "chat:{room}": {
          permissions: { subscribe: () => new Promise(() => {}), publish: "anyone" },
        },
      },
    },
  });
  const first = '{"t":"subscribe","id":2,"ch":"chat:h"}';
  const behind = (member: "d" | "unread", count: number): string => {
    const frames = [first];
    for (let id = 3; id < count; id++)
      frames.push(`{"t":"publish","id":${id},"ch":"chat:h","${member}":1}`);
    return frames.join("\n");
  };
  for (const member of ["d", "unread"] as const) {
    const names = new Set<string>();
    const hostile: HandClient[] = [];
    for (let i = 0; i < 60; i++) {
      const client = await connected(harness, HOSTILE[0] as string);
      await client.sendText(behind(member, 1000));
      for (const frame of await client.take()) if (frame.t === "err") names.add(frame.name);
      hostile.push(client);
    }
    expect([...names]).toEqual(["rate_limited"]);
    expect(harness.observed.splice(0)).toContain("overShare held");
    const { heldBytes } = harness.engine.info();
    expect([heldBytes > MAX / 4, heldBytes <= MAX / 2]).toEqual([true, true]);
    for (const client of hostile) await client.lose();
    expect(harness.engine.info().heldBytes).toBe(0);
  }
});

test("messages before the answer to connect count, too", async () => {
  const harness = await node({
    contract: { ...contract, hooks: { onConnect: () => new Promise(() => {}) } },
  });
  let flooded = 0;
  for (let i = 0; i < 700; i++) {
    const hostile = harness.open({ address: HOSTILE[0] as string });
    await hostile.sendText(`{"t":"connect","id":1}\n${padded}`);
    if (hostile.connection.endedWith === "flooded") flooded += 1;
    expect(harness.engine.info().heldBytes).toBeLessThanOrEqual(MAX / 2);
  }
  expect(flooded).toBeGreaterThan(100);
  const good = harness.open({ address: "10.0.1.1" });
  await good.sendText(`{"t":"connect","id":1}\n${padded}`);
  expect(good.connection.phase).toBe("checking");
});
