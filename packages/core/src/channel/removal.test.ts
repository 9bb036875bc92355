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
  /** Answers of the broker that take their time. */
  const late: { reading?: Promise<void>; removing?: () => Promise<void> } = {};
  const node = await createEngineHarness({
    contract: { channels: { "chat:{room}": { history: { size: 100, ttlMs: 60_000 } } } },
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      view = broker;
      const { history, removeHistory } = broker;
      broker.history = async (...args) => {
        const page = await history.apply(broker, args);
        await late.reading;
        return page;
      };
      broker.removeHistory = async (...args) => {
        const position = await removeHistory.apply(broker, args);
        await late.removing?.();
        return position;
      };
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
  await reader.take();
  /** What a client gets that comes back from before them. */
  const comeBack = async (): Promise<readonly Frame[]> => {
    const client = await node.connect();
    await client.send({ t: "subscribe", id: 2, ch: "chat:a", pos: { epoch, offset: 0 } });
    await node.advance(1);
    return (await client.take()) as readonly Frame[];
  };
  return { node, other, comeBack, late, epoch, reader, view: () => view };
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

/** A promise that resolves when it is told to. */
function gate() {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

test("a page that was read before a removal and comes after it holds nothing of it, whoever asked", async () => {
  const { node, other, late, reader } = await setUp();
  const { opened, open } = gate();
  late.reading = opened;
  await reader.send({ t: "history", id: 3, ch: "chat:a" });
  const asked = node.engine.history("chat:a", { after: 0, limit: 10 });
  await node.advance(1);
  await other.removeHistory("chat:a", STREAM);
  await node.advance(1);
  open();
  await node.advance(1);
  expect(await reader.take()).toMatchObject([{ t: "history", pubs: [] }]);
  expect(await asked).toMatchObject({ ok: true, value: { publications: [], oldest: 6 } });
});

test("a removal that is acknowledged is heard by the node that carried it out, also before it is told", async () => {
  const { node, late, epoch } = await setUp();
  const reading = gate();
  late.reading = reading.opened;
  const asked = node.engine.history("chat:a", { after: 0, limit: 10 });
  // The node's own hub is told in another turn, which the answer does not wait for.
  const removed = await node.engine.removeHistory("chat:a");
  expect(removed).toEqual({ ok: true, value: { epoch, offset: 5 } });
  reading.open();
  expect(await asked).toMatchObject({ ok: true, value: { publications: [] } });
});

test("whoever reads for long hears of removals while the reader is open, and holds the channel no longer", async () => {
  const { node, other, epoch } = await setUp();
  const payload = { kind: "json", text: "1" } as const;
  const { position } = await other.publish("chat:b", STREAM, { payload });
  const opened = await node.engine.openHistory("chat:b");
  if (!opened.ok) throw new Error(opened.message);
  const reader = opened.value;
  expect(await reader.read({ after: 0, limit: 10 })).toMatchObject({
    value: { publications: [{ offset: 1 }] },
  });
  expect(reader.removedTo(position.epoch)).toBe(0);
  await other.removeHistory("chat:b", STREAM);
  await node.advance(1);
  expect([reader.removedTo(position.epoch), reader.removedTo(`${epoch}?`)]).toEqual([1, 0]);
  expect(node.engine.info().channels).toBe(2);
  reader.close();
  reader.close();
  await node.advance(10_000);
  expect(node.engine.info().channels).toBe(1);
  expect(await node.engine.openHistory("nowhere")).toMatchObject({ ok: false });
});

test("what was removed while the broker was away is not given by a reader that had it", async () => {
  const { node, other, epoch, view } = await setUp();
  const opened = await node.engine.openHistory("chat:a");
  if (!opened.ok) throw new Error(opened.message);
  view()?.cut();
  await other.removeHistory("chat:a", STREAM);
  view()?.heal();
  await node.advance(1_000);
  expect(opened.value.removedTo(epoch)).toBe(5);
});
