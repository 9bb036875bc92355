import { expect, test } from "bun:test";
import { payloadFromValue } from "@holdfast/protocol/node";
import {
  createEngineHarness,
  createManualClock,
  type HarnessOptions,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import type { NodeSettings } from "../settings.ts";
import { Felt, type FeltMark } from "./felt.ts";

const MINUTE_MS = 60_000;

test("a minute of a connection is bad once for each signal, and minutes begin with the connection", () => {
  const clock = createManualClock({ startMs: 1000 });
  const felt = new Felt(clock);
  const connection = (): FeltMark => ({ openedMs: clock.nowMs(), felt: 0 });
  const first = connection();
  clock.advance(30_000);
  const second = connection();
  const bad = () => [felt.figures().lost, felt.figures().slow];
  for (let i = 0; i < 5; i++) felt.lost(first);
  felt.slow(first);
  felt.slow(second);
  expect(bad()).toEqual([1, 2]);
  clock.advance(MINUTE_MS / 2 - 1);
  felt.lost(first);
  expect(bad()).toEqual([1, 2]);
  // The first one's second minute; the second one's first goes on.
  clock.advance(1);
  felt.lost(first);
  felt.slow(second);
  expect(bad()).toEqual([2, 2]);
  felt.lost(second);
  expect(bad()).toEqual([3, 2]);
  clock.advance(100 * MINUTE_MS);
  felt.lost(first);
  felt.slow(first);
  felt.slow(first);
  expect(bad()).toEqual([4, 3]);
  felt.lost({});
  expect(bad()).toEqual([4, 3]);
});

test("connection-minutes are the times of all connections added up, and never fall", () => {
  const clock = createManualClock({ startMs: 5_000_000 });
  const felt = new Felt(clock);
  const open: FeltMark[] = [];
  let expected = 0;
  let last = 0;
  for (let i = 0; i < 200; i++) {
    if (i % 3 !== 2) {
      const connection = { openedMs: clock.nowMs(), felt: 0 };
      open.push(connection);
      felt.began(connection);
    } else felt.ended(open.shift() as FeltMark, i % 2 === 0);
    clock.advance(i * 10);
    clock.jumpWall((i % 7) * 100_000 - 300_000);
    expected += (open.length * i * 10) / MINUTE_MS;
    const { connectionMinutes } = felt.figures();
    expect(connectionMinutes).toBeCloseTo(expected, 6);
    expect(connectionMinutes).toBeGreaterThanOrEqual(last);
    last = connectionMinutes;
  }
  expect(felt.figures().closedAbnormally).toBe(33);
});

const contract = {
  channels: {
    "kept:{room}": { class: "ordered", history: { size: 3, ttlMs: 60_000 } },
    "live:{room}": { class: "volatile" },
  },
} as const;

async function node(
  settings: Partial<NodeSettings> = {},
  wrapBroker: HarnessOptions["wrapBroker"] = (view) => view,
) {
  const harness = await createEngineHarness({
    contract,
    settings: { ...TEST_SETTINGS, ...settings },
    wrapBroker,
  });
  const { engine } = harness;
  return { ...harness, felt: () => engine.info().felt };
}
const data = payloadFromValue({ n: 1 }, "json");

test("a client that vanishes is counted, and nobody else who ends", async () => {
  const { connect, engine, open, felt, advance } = await node();
  const ends = [await connect(), await connect(), await connect()] as const;
  await ends[0].close();
  await ends[1].send({ t: "bye" });
  await engine.disconnect({ session: ends[2].connection.session }, { reconnect: true });
  const silent = open();
  await silent.lose();
  expect(felt().closedAbnormally).toBe(0);
  await (await connect()).lose();
  expect(felt().closedAbnormally).toBe(1);
  // It vanished, and nobody told: the node finds out.
  await connect();
  await advance(TEST_SETTINGS.timeouts.idleMs + 2000);
  expect(engine.info().connections).toBe(0);
  expect(felt().closedAbnormally).toBe(2);
});

test("sessions that come back or move count as resumes, and those that are rejected as failed", async () => {
  const { open, felt } = await node();
  const answer = async (frame: { resume?: string; moving?: boolean; token?: string }) => {
    const client = open();
    await client.send({ t: "connect", id: 1, ...frame });
    const [first] = await client.take();
    return first?.t === "connected" ? first.resume : first?.t === "goodbye" ? first.name : "";
  };
  const resume = await answer({});
  expect(felt()).toMatchObject({ resumes: 0, resumesFailed: 0 });
  await answer({ resume });
  await answer({ resume, moving: true });
  expect(felt()).toMatchObject({ resumes: 2, resumesFailed: 0 });
  expect(await answer({ resume: "of another fleet" })).toBe("resume_rejected");
  expect(felt()).toMatchObject({ resumes: 3, resumesFailed: 1 });
});

test("a gap in an ordered channel is a loss for whoever got it, and in a volatile one it is none", async () => {
  const { connect, engine, felt, settle } = await node();
  const subscribe = async (ch: string) => {
    for (let i = 0; i < 8; i++) await engine.publish(ch, { payload: data });
    const first = await connect();
    await first.send({ t: "subscribe", id: 2, ch });
    const found = (await first.take()).find(({ t }) => t === "subscribed");
    const pos = found?.t === "subscribed" ? found.pos : { epoch: "", offset: 0 };
    const second = await connect();
    await second.send({ t: "subscribe", id: 2, ch, pos: { ...pos, offset: 1 } });
    await settle();
    expect((await second.take()).some(({ t }) => t === "gap")).toBe(true);
  };
  await subscribe("live:a");
  expect(felt().lost).toBe(0);
  await subscribe("kept:a");
  expect(felt().lost).toBe(1);
});

test("a client that saw a hole which nobody declared counts as one that lost something", async () => {
  const { connect, felt } = await node();
  const client = await connect();
  const counts = { reconnects: 0, migrations: 0, duplicates: 0, gaps: 0, lost: 0, resumeMsMax: 0 };
  await client.send({ t: "report", counts: { ...counts, undeclared: 0 } });
  expect(felt().lost).toBe(0);
  await client.send({ t: "report", counts: { ...counts, undeclared: 1 } });
  expect(felt().lost).toBe(1);
});

test("whoever gets a publication late is counted; one that is older than a clock can be wrong is not", async () => {
  let ageMs = 0;
  const { connect, engine, felt, settle } = await node({}, (view) => {
    const subscribe = view.subscribe.bind(view);
    view.subscribe = (channel, stream, listener) =>
      subscribe(channel, stream, {
        publication: (one, epoch) =>
          listener.publication({ ...one, timeMs: one.timeMs - ageMs }, epoch),
        removed: (offset, epoch) => listener.removed(offset, epoch),
        presence: (change) => listener.presence(change),
      });
    return view;
  });
  const clients = [await connect(), await connect(), await connect()];
  for (const client of clients.slice(0, 2))
    await client.send({ t: "subscribe", id: 2, ch: "kept:a" });
  const late = async (ms: number): Promise<number> => {
    ageMs = ms;
    await engine.publish("kept:a", { payload: data });
    await settle();
    return felt().slow;
  };
  expect(await late(0)).toBe(0);
  expect(await late(250)).toBe(0);
  expect(await late(60_000)).toBe(0);
  expect(await late(-60_000)).toBe(0);
  expect(await late(251)).toBe(2);
  expect(await late(300)).toBe(2);
});

test("an answer that takes too long is counted, whatever it answers", async () => {
  const slow = {
    channels: contract.channels,
    rpc: {
      wait: {
        allow: "anyone",
        handler: () => new Promise((resolve) => waiting.push(() => resolve(1))),
      },
    },
  };
  const waiting: (() => void)[] = [];
  const { connect, advance, engine } = await createEngineHarness({
    contract: slow as never,
    settings: TEST_SETTINGS,
  });
  const client = await connect();
  const call = async (id: number, ms: number) => {
    await client.send({ t: "rpc", id, m: "wait" });
    await advance(ms);
    waiting.pop()?.();
    await advance(5);
  };
  await call(2, 200);
  expect(engine.info().felt.slow).toBe(0);
  await call(3, 300);
  await call(4, 300);
  expect(engine.info().felt.slow).toBe(1);
});

test("a refused token counts once a minute, and an address at most 16 times", () => {
  const clock = createManualClock({ startMs: 0 });
  const felt = new Felt(clock);
  const failed = () => felt.figures().resumesFailed;
  for (let i = 0; i < 9; i++) felt.resumeFailed("a", "the same token of one client");
  expect(failed()).toBe(1);
  for (let i = 0; i < 100; i++) felt.resumeFailed("a", `${"x".repeat(40)} ${i} and its signature`);
  expect(failed()).toBe(2);
  for (let i = 0; i < 100; i++) felt.resumeFailed("a", `token ${i}`);
  expect(failed()).toBe(16);
  felt.resumeFailed("b", "the same token of one client");
  expect(failed()).toBe(17);
  clock.advance(MINUTE_MS);
  felt.resumeFailed("a", "the same token of one client");
  expect(failed()).toBe(18);
  expect(felt.figures().resumes).toBe(18);
  for (let i = 0; i < 5000; i++) felt.resumeFailed(`address ${i}`, "t");
  expect(failed()).toBeLessThan(18 + 2048);
});
