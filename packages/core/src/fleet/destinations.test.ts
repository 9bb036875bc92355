import { expect, test } from "bun:test";
import {
  createEngineHarness,
  createManualClock,
  createSeededRandom,
  type EngineHarness,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import type { OrderOptions } from "../control/control.ts";
import { createMemoryBroker } from "../memory-broker/memory-broker.ts";
import { drainShare } from "./decisions.ts";
import { capacityAt, hasPlace, moveRule, receiversAt } from "./destinations.ts";
import { Refusals } from "./refusals.ts";
import type { MovesFigures, NodeFigures } from "./view.ts";

const figures = (more: Partial<NodeFigures> = {}): NodeFigures => ({
  node: "a",
  revision: "r1",
  state: "ready",
  startedAtMs: 0,
  connections: 0,
  sessions: 0,
  handshakesPerSecond: 100,
  lagMs: 0,
  memoryBytes: 0,
  brokerOk: true,
  ...more,
});
const moves = (more: Partial<MovesFigures> = {}): MovesFigures => ({
  remaining: 1,
  deadlineInMs: 1000,
  ...more,
});

test("the newest rule of all orders that run decides about a session that moves", () => {
  const r2 = figures({ node: "c", revision: "r2" });
  const to = (toRevision: string) => moves({ toRevision });
  const [to1, to2, to3] = [to("r1"), to("r2"), to("r3")];
  const preferred = moves({ toRevision: "r2", isPreferred: true });
  const cases: readonly (readonly [string, Partial<NodeFigures>, readonly NodeFigures[]])[] = [
    ["free", {}, [figures({ draining: moves() }), r2]],
    ["refuse", {}, [figures({ draining: to2 }), r2]],
    ["refuse", {}, [figures({ shedding: to2 }), r2]],
    // Also if nobody has it: the window is not over.
    ["refuse", {}, [figures({ draining: to3 }), r2]],
    // The node's own order counts as well.
    ["refuse", { shedding: to2 }, [r2]],
    ["take", {}, [figures({ draining: to1 }), r2]],
    ["take", {}, [figures({ draining: to2 }), figures({ draining: to1 }), r2]],
    ["take", {}, [figures({ draining: to1 }), figures({ draining: moves() }), r2]],
    // It may be one of those that may go anywhere.
    ["look", {}, [figures({ draining: to2 }), figures({ draining: moves() }), r2]],
    ["look", {}, [figures({ draining: to2 }), figures({ draining: preferred }), r2]],
    ["look", {}, [figures({ draining: preferred }), r2]],
    ["free", {}, [figures({ draining: preferred }), { ...r2, isFull: true }]],
    ["free", {}, [figures({ draining: preferred }), { ...r2, state: "draining" }]],
    ["free", {}, [figures({ draining: preferred }), { ...r2, brokerOk: false }]],
    ["free", {}, [figures({ draining: preferred })]],
    // It is over, or nobody is left whom it moves.
    ["free", {}, [figures({ draining: moves({ toRevision: "r2", deadlineInMs: 0 }) }), r2]],
    ["free", {}, [figures({ draining: moves({ toRevision: "r2", remaining: 0 }) }), r2]],
  ];
  for (const [rule, self, others] of cases)
    expect({ rule: moveRule(figures(self), others, 0).rule, self, others }).toEqual({
      rule: rule as "free",
      self,
      others,
    });
});

test("what was heard of an order gets older by the clock that never goes back", () => {
  const giver = { ...figures({ draining: moves({ toRevision: "r2" }) }), heardMs: 5000 };
  expect(moveRule(figures(), [giver], 5000)).toEqual({ rule: "refuse", leftMs: 1000 });
  expect(moveRule(figures(), [giver], 5999)).toEqual({ rule: "refuse", leftMs: 1 });
  expect(moveRule(figures(), [giver], 6000)).toEqual({ rule: "free", leftMs: 0 });
});

test("nodes of the revision with a place receive what an order moves, and set its pace", () => {
  const others = [
    figures({ node: "b" }),
    figures({ node: "c", revision: "r2", handshakesPerSecond: 30 }),
    figures({ node: "d", revision: "r2", handshakesPerSecond: 20 }),
    figures({ node: "e", revision: "r2", isFull: true }),
    figures({ node: "f", revision: "r2", state: "draining" }),
    figures({ node: "g", revision: "r2", brokerOk: false }),
  ];
  const at = (to: Parameters<typeof receiversAt>[0]) =>
    receiversAt(to, others)?.map(({ node }) => node);
  expect(at({})).toBeUndefined();
  expect(at({ toRevision: "r2" })).toEqual(["c", "d"]);
  expect(at({ toRevision: "r2", isPreferred: true })).toEqual(["c", "d"]);
  expect(at({ toRevision: "r3" })).toEqual([]);
  expect(at({ toRevision: "r3", isPreferred: true })).toBeUndefined();
  expect(capacityAt(receiversAt({ toRevision: "r2" }, others) ?? [])).toBe(50);
  expect(capacityAt([])).toBe(0);
  expect([hasPlace(others, "r2"), hasPlace(others.slice(3), "r2")]).toEqual([true, false]);
});

test("orders share the pace with those that go to the same nodes, or to any", () => {
  const others = [
    figures({ draining: moves({ remaining: 10, toRevision: "r2" }) }),
    figures({
      draining: moves({ remaining: 20 }),
      shedding: moves({ remaining: 40, toRevision: "r3" }),
    }),
  ];
  expect(drainShare(10, others, { toRevision: "r2" })).toBe(10 / 40);
  expect(drainShare(10, others, { toRevision: "r3" })).toBe(10 / 70);
  expect(drainShare(10, others)).toBe(10 / 80);
});

test("who is refused again and again waits longer, but tries until the window is over", () => {
  const refusals = new Refusals();
  const at = (nowMs: number, leftMs: number) => refusals.refused("s", { nowMs, leftMs });
  const long = Array.from({ length: 14 }, (_, i) => at(i, 1e9));
  expect(long.slice(0, 6)).toEqual([150, 150, 150, 150, 150, 150]);
  expect(long.slice(6, 9)).toEqual([300, 600, 1200]);
  expect(Math.max(...long)).toBe(5000);
  expect(at(100, 16_000)).toBe(2000);
  expect(at(100, 10)).toBe(150);
  expect(at(100_000, 1e9)).toBe(150);
});

test("sessions that were refused are forgotten in time, and the oldest if there are too many", () => {
  const refusals = new Refusals();
  for (let i = 0; i < 10_100; i++) refusals.refused(`s${i}`, { nowMs: i, leftMs: 1e9 });
  expect(refusals.size).toBe(10_000);
  refusals.sweep(25_000);
  expect(refusals.size).toBe(5_099);
  refusals.sweep(1e6);
  expect(refusals.size).toBe(0);
});

/** Nodes by id and revision, and a session of `a`, the first one. */
async function cluster(nodes: readonly (readonly [id: string, revision: string])[]) {
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: createSeededRandom(7) });
  const all = new Map<string, EngineHarness>();
  const add = async (nodeId: string, revision: string): Promise<void> => {
    const settings = { ...TEST_SETTINGS, nodeId, revision };
    const contract = { channels: { "chat:{room}": {} } };
    all.set(nodeId, await createEngineHarness({ contract, clock, broker, settings }));
  };
  for (const [id, revision] of nodes) await add(id, revision);
  const at = (id: string): EngineHarness => all.get(id) as EngineHarness;
  await at("a").advance(1100);
  const first = at("a").open();
  await first.send({ t: "connect", id: 1, migrates: true });
  const connected = (await first.take()).find(({ t }) => t === "connected");
  const resume = connected?.t === "connected" ? connected.resume : "";
  return {
    at,
    add,
    first,
    advance: (ms: number) => at("a").advance(ms),
    order: async (id: string, options: OrderOptions) => {
      expect(at(id).engine.obey({ order: "drain", preDelayMs: 0, ...options }).ok).toBe(true);
      await at("a").advance(50);
    },
    /** What the node answers to the session if it moves there. */
    async move(id: string) {
      const client = at(id).open();
      await client.send({ t: "connect", id: 1, resume, moving: true, migrates: true });
      const [answer] = await client.take();
      await client.lose();
      return answer?.t === "goodbye" ? answer.name : answer?.t;
    },
  };
}

test("until the window is over, only nodes of the order's revision take a moving session", async () => {
  const { at, order, move, advance, first } = await cluster([
    ["a", "r1"],
    ["b", "r1"],
    ["c", "r2"],
  ]);
  expect(await move("b")).toBe("connected");
  await order("a", { toRevision: "r2", windowMs: 60_000, token: 1 });
  expect(at("b").engine.nodes()[0]).toMatchObject({ draining: { toRevision: "r2" } });
  for (let i = 0; i < 20; i++) expect(await move("b")).toBe("try_later");
  expect(await move("c")).toBe("connected");
  // Newcomers and those that lost their connection are no moving sessions.
  const newcomer = at("b").open();
  await newcomer.send({ t: "connect", id: 1 });
  expect((await newcomer.take())[0]?.t).toBe("connected");
  expect(first.link.closedWith).toBeUndefined();
  at("a").engine.obey({ order: "undrain", token: 2 });
  await advance(50);
  expect(await move("b")).toBe("connected");
});

test("a rollback's sessions are taken by the older revision, though newer nodes are ready", async () => {
  const { order, move } = await cluster([
    ["a", "r2"],
    ["b", "r1"],
    ["c", "r2"],
  ]);
  await order("a", { toRevision: "r1", windowMs: 60_000 });
  expect(await move("b")).toBe("connected");
  for (let i = 0; i < 10; i++) expect(await move("c")).toBe("try_later");
});

test("an order to a revision that nobody has ends at its deadline, and cuts nobody who has a place", async () => {
  const { at, order, move, advance, first } = await cluster([
    ["a", "r1"],
    ["b", "r1"],
  ]);
  await order("a", { toRevision: "r9", windowMs: 8000 });
  for (let i = 0; i < 10; i++) expect(await move("b")).toBe("try_later");
  await advance(5900);
  expect(await move("b")).toBe("try_later");
  expect((await first.take()).filter(({ t }) => t === "migrate")).toHaveLength(1);
  // The last quarter of the window.
  await advance(400);
  expect(at("b").engine.nodes()[0]?.draining).toMatchObject({ isPreferred: true });
  expect(await move("b")).toBe("connected");
  await advance(2000);
  expect(first.link.closedWith?.code).toBe(1012);
  expect(at("a").engine.info()).toMatchObject({ state: "draining", connections: 0 });
  expect(await move("b")).toBe("connected");
});

test("in the last part of the window an order still insists if the revision has a place", async () => {
  const { order, move, advance } = await cluster([
    ["a", "r1"],
    ["b", "r1"],
    ["c", "r2"],
  ]);
  await order("a", { toRevision: "r2", windowMs: 8000 });
  await advance(7800);
  expect(await move("b")).toBe("try_later");
  await advance(300);
  expect(await move("b")).toBe("connected");
});

test("a session of a machine that goes may go anywhere, after it has looked for the revision", async () => {
  const { order, move, at } = await cluster([
    ["a", "r1"],
    ["b", "r1"],
    ["c", "r2"],
  ]);
  await order("a", { toRevision: "r2", isPreferred: true, windowMs: 60_000 });
  const answers: (string | undefined)[] = [];
  for (let i = 0; i < 7; i++) answers.push(await move("b"));
  expect(answers).toEqual([...Array.from({ length: 6 }, () => "try_later"), "connected"]);
  at("c").engine.stop();
  await at("a").advance(50);
  expect(await move("b")).toBe("connected");
});

test("whoever stops the process does not wait for a revision, and keeps its own window", async () => {
  const { order, move, at, advance } = await cluster([
    ["a", "r1"],
    ["b", "r1"],
  ]);
  await order("a", { toRevision: "r9", windowMs: 600_000, token: 3 });
  expect(await move("b")).toBe("try_later");
  void at("a").engine.drain({ isFinal: true, windowMs: 4000, preDelayMs: 0 });
  await advance(300);
  expect(at("a").engine.info().drain).toMatchObject({ toRevision: "r9", isPreferred: true });
  expect(await move("b")).toBe("connected");
});

test("a clock that jumps changes nothing for an order that runs", async () => {
  const { order, move, at, advance } = await cluster([
    ["a", "r1"],
    ["b", "r1"],
  ]);
  await order("a", { toRevision: "r9", windowMs: 60_000 });
  for (const byMs of [3_600_000, -7_200_000]) {
    at("a").clock.jumpWall(byMs);
    await advance(1000);
    expect(await move("b")).toBe("try_later");
  }
  expect(at("a").engine.info().drain?.deadlineInMs).toBe(60_000 - 2050);
});

test("a node that dies while it drains binds nobody to a revision for longer than its lease", async () => {
  const { move, advance, at } = await cluster([
    ["a", "r1"],
    ["b", "r1"],
  ]);
  await at("b")
    .broker.connect("ghost")
    .bus.send({
      kind: "figures",
      from: "ghost",
      figures: figures({ node: "ghost", draining: moves({ toRevision: "r9", deadlineInMs: 1e9 }) }),
    });
  await advance(50);
  expect(await move("b")).toBe("try_later");
  await advance(TEST_SETTINGS.fleet.nodeLeaseMs + 1000);
  expect(await move("b")).toBe("connected");
});
