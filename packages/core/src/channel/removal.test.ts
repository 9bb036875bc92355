import { expect, test } from "bun:test";
import type { StreamOptions } from "@holdfast/contract";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";
import type { MemoryBrokerNode } from "../memory-broker/index.ts";

const STREAM: StreamOptions = { cls: "ordered", sizeMax: 100, ttlMs: 60_000 };

interface Frame {
  readonly t: string;
  readonly o?: number;
}

/** A node whose ring has five publications, and the position before them. */
async function setUp() {
  let view: MemoryBrokerNode | undefined;
  const node = await createEngineHarness({
    contract: { channels: { "chat:{room}": { history: { size: 100, ttlMs: 60_000 } } } },
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      view = broker;
      return broker;
    },
  });
  const other = node.broker.connect("another node");
  const reader = await node.connect();
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a" });
  await reader.take();
  let epoch = "";
  for (let value = 1; value <= 5; value++) {
    const payload = { kind: "json", text: String(value) } as const;
    epoch = (await other.publish("chat:a", STREAM, { payload })).position.epoch;
  }
  await node.advance(1);
  /** What a client gets that comes back from before them. */
  const comeBack = async (): Promise<readonly Frame[]> => {
    const client = await node.connect();
    await client.send({ t: "subscribe", id: 2, ch: "chat:a", pos: { epoch, offset: 0 } });
    await node.advance(1);
    return (await client.take()) as readonly Frame[];
  };
  return { node, other, comeBack, view: () => view };
}

const offsetsOf = (frames: readonly Frame[]): number[] =>
  frames.flatMap(({ t, o }) => (t === "pub" && o !== undefined ? [o] : []));

test("what another node removed is served to nobody from this node's memory", async () => {
  const { node, other, comeBack } = await setUp();
  expect(offsetsOf(await comeBack())).toEqual([1, 2, 3, 4, 5]);
  await other.removeHistory("chat:a", STREAM);
  await node.advance(1);
  const frames = await comeBack();
  expect(offsetsOf(frames)).toEqual([]);
  expect(frames.map(({ t }) => t)).toContain("gap");
});

test("what was removed while the node did not hear the broker is served to nobody afterwards", async () => {
  const { node, other, comeBack, view } = await setUp();
  view()?.cut();
  await other.removeHistory("chat:a", STREAM);
  view()?.heal();
  await node.advance(1_000);
  const frames = await comeBack();
  expect(offsetsOf(frames)).toEqual([]);
  expect(frames.map(({ t }) => t)).toContain("gap");
});
