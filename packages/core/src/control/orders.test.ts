import { expect, test } from "bun:test";
import {
  createEngineHarness,
  createManualClock,
  createSeededRandom,
  type EngineHarness,
  type ManualClock,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import { createMemoryBroker } from "../memory-broker/memory-broker.ts";
import type { Broker, BusMessage } from "../ports.ts";
import type { NodeControl } from "./control.ts";

/** The same time, told by a wall clock that is `byMs` ahead. */
const ahead = (clock: ManualClock, byMs: number): ManualClock =>
  new Proxy(clock, {
    get(target, name) {
      if (name === "wallMs") return () => target.wallMs() + byMs;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });

/** Nodes `a` and `b`. `loses` decides whether a message of the bus gets lost. */
async function pair(
  options: { readonly loses?: (message: BusMessage) => boolean; readonly bAheadMs?: number } = {},
) {
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: createSeededRandom(7) });
  const start = (nodeId: string, wall: ManualClock): Promise<EngineHarness> =>
    createEngineHarness({
      contract: { channels: { "chat:{room}": {} } },
      clock: wall,
      broker,
      settings: { ...TEST_SETTINGS, nodeId },
      wrapBroker: (view) => {
        const send = view.bus.send.bind(view.bus);
        view.bus.send = (message) => (options.loses?.(message) ? Promise.resolve() : send(message));
        return view;
      },
    });
  const a = await start("a", clock);
  const b = await start("b", ahead(clock, options.bAheadMs ?? 0));
  await a.advance(1100);
  /** What an order that `from` gives to `node` comes to, and after how many ms. */
  const order = async (
    from: EngineHarness,
    ...args: Parameters<NodeControl["order"]>
  ): Promise<{ code: string; tookMs: number }> => {
    const startedMs = clock.nowMs();
    let code: string | undefined;
    void from.engine.order(...args).then((outcome) => {
      code = outcome.ok ? "ok" : outcome.code;
    });
    for (let i = 0; i < 400 && code === undefined; i++) await a.advance(50);
    return { code: code ?? "nothing", tookMs: clock.nowMs() - startedMs };
  };
  const figures = (node: EngineHarness) =>
    node.engine.nodes().find(({ node: id }) => id === node.engine.info().node)?.orders;
  return { a, b, order, figures };
}

test("a node drains as the order says, or as its settings say if the order does not", async () => {
  for (const [options, endsMs] of [
    [{ windowMs: 1000, preDelayMs: 0 }, 1000],
    [{ preDelayMs: 0 }, TEST_SETTINGS.drain.windowMs],
    [{ windowMs: 1000, preDelayMs: 2000 }, 3000],
  ] as const) {
    const { a, b, order } = await pair();
    const client = await b.connect({ migrates: true });
    await order(a, "b", "drain", options);
    await a.advance(endsMs - 300);
    expect(client.link.closedWith).toBeUndefined();
    await a.advance(600);
    expect(client.link.closedWith?.code).toBe(1012);
  }
});

test("an order is answered when its node has begun to obey, and every node sees it", async () => {
  const { a, b, order, figures } = await pair();
  await b.connect({ migrates: true });
  expect(await order(a, "b", "drain", { windowMs: 4000, preDelayMs: 0 })).toMatchObject({
    code: "ok",
  });
  expect(b.engine.state).toBe("draining");
  await a.advance(1100);
  expect(a.engine.nodes().find(({ node }) => node === "b")).toMatchObject({
    state: "draining",
    draining: { remaining: 1 },
    orders: { obeyed: 1, refused: 0, expired: 0 },
  });
  expect((await order(a, "b", "undrain")).code).toBe("ok");
  expect(b.engine.state).toBe("ready");
  expect(figures(b)).toMatchObject({ obeyed: 2 });
  expect(await a.engine.order("z", "drain")).toMatchObject({
    ok: false,
    code: "request_invalid",
    path: "node",
  });
});

test("an order to the node itself is carried out at once and keeps the same fence", async () => {
  const { a, order } = await pair();
  expect(await a.engine.order("a", "drain", { token: 7 })).toMatchObject({ ok: true });
  expect(a.engine.state).toBe("draining");
  expect(await a.engine.order("a", "undrain", { token: 6 })).toMatchObject({
    ok: false,
    code: "order_refused",
    path: "token",
  });
  expect((await order(a, "a", "undrain", { token: 7 })).code).toBe("ok");
  expect(a.engine.state).toBe("ready");
});

test("an order with a lower token than the highest obeyed is refused, told so, and counted", async () => {
  const { a, b, order, figures } = await pair();
  expect((await order(a, "b", "drain", { token: 5 })).code).toBe("ok");
  expect((await order(a, "b", "undrain", { token: 4 })).code).toBe("order_refused");
  expect(b.engine.state).toBe("draining");
  expect(figures(b)).toEqual({ obeyed: 1, refused: 1, expired: 0, fence: 5 });
  expect(b.observed).toContain("ordered undrain refused");
  expect((await order(a, "b", "undrain", { token: 5 })).code).toBe("ok");
  expect(b.engine.state).toBe("ready");
});

test("an order without a token is never refused for one, and does not change the fence", async () => {
  const { a, b, order, figures } = await pair();
  expect((await order(a, "b", "drain")).code).toBe("ok");
  expect(figures(b)?.fence).toBeUndefined();
  expect((await order(a, "b", "undrain", { token: 1 })).code).toBe("ok");
  expect((await order(a, "b", "drain")).code).toBe("ok");
  expect((await order(a, "b", "undrain", { token: 1 })).code).toBe("ok");
  expect(figures(b)).toMatchObject({ obeyed: 4, fence: 1 });
});

test.each([-3_600_000, 3_600_000])(
  "a node whose clock is %d ms off obeys as any other",
  async (bAheadMs) => {
    const { a, b, order } = await pair({ bAheadMs });
    expect((await order(a, "b", "drain")).code).toBe("ok");
    expect((await order(b, "b", "undrain")).code).toBe("ok");
    expect((await order(b, "a", "drain")).code).toBe("ok");
    expect((await order(a, "a", "undrain")).code).toBe("ok");
  },
);

test("whatever single message is lost, the order is carried out once", async () => {
  for (const lost of ["order", "order-asked", "order-go", "order-done"]) {
    let left = 1;
    const { a, b, order, figures } = await pair({
      loses: ({ kind }) => kind === lost && left-- > 0,
    });
    const { code, tookMs } = await order(a, "b", "drain", { token: 1 });
    expect({ lost, code, state: b.engine.state }).toEqual({
      lost,
      code: "ok",
      state: "draining",
    });
    expect(tookMs).toBeGreaterThanOrEqual(500);
    expect(figures(b)).toMatchObject({ obeyed: 1 });
  }
});

test("an order that its node does not take in time is told as expired, and is not carried out later", async () => {
  let isCut = true;
  const late: BusMessage[] = [];
  const { a, b, order, figures } = await pair({
    loses: (message) => {
      if (message.kind === "order" && isCut) late.push(message);
      return message.kind === "order" && isCut;
    },
  });
  const { code, tookMs } = await order(a, "b", "drain");
  expect(code).toBe("order_expired");
  expect(tookMs).toBeGreaterThanOrEqual(10_000);
  expect(figures(a)).toMatchObject({ expired: 1 });
  expect(a.observed).toContain("ordered drain expired");
  isCut = false;
  // What was on its way arrives now.
  const bus = a.broker.connect("elsewhere").bus;
  for (const message of late) await bus.send(message);
  await a.advance(3000);
  expect(late.length).toBeGreaterThan(5);
  expect(b.engine.state).toBe("ready");
  expect(figures(b)).toMatchObject({ obeyed: 0 });
});

test("an order that was taken and not heard of again is told as unconfirmed", async () => {
  const { a, b, order } = await pair({ loses: ({ kind }) => kind === "order-done" });
  const { code, tookMs } = await order(a, "b", "drain");
  expect(code).toBe("order_unconfirmed");
  expect(tookMs).toBeGreaterThanOrEqual(15_000);
  expect(b.engine.state).toBe("draining");
});

test("orders that are under way are bounded, and so is what a node remembers of those it took", async () => {
  const { a, b, order, figures } = await pair({ loses: ({ kind }) => kind === "order" });
  const outcomes: string[] = [];
  for (let i = 0; i < 300; i++)
    void a.engine
      .order("b", "drain")
      .then((outcome) => outcomes.push(outcome.ok ? "ok" : outcome.code));
  await a.settle();
  expect(outcomes).toEqual(Array.from({ length: 300 - 256 }, () => "request_failed"));
  await a.advance(11_000);
  expect(outcomes.filter((code) => code === "order_expired")).toHaveLength(256);
  const bus: Broker["bus"] = a.broker.connect("elsewhere").bus;
  for (let i = 0; i < 2000; i++)
    await bus.send({ kind: "order", from: "gone", node: "b", id: `o${i}`, order: "drain" });
  await bus.send({ kind: "order-go", from: "gone", to: "b", id: "o0" });
  await a.advance(100);
  expect(figures(b)?.obeyed).toBe(0);
  await bus.send({ kind: "order-go", from: "gone", to: "b", id: "o1999" });
  await a.advance(100);
  expect(figures(b)?.obeyed).toBe(1);
  expect((await order(b, "b", "undrain")).code).toBe("ok");
});

test("the drain of a process that ends cannot be undone, by an order or otherwise", async () => {
  const { a, b, order } = await pair();
  await b.connect({ migrates: true });
  expect((await order(a, "b", "drain", { windowMs: 60_000 })).code).toBe("ok");
  const ended = b.engine.drain({ windowMs: 60_000, isFinal: true });
  expect((await order(a, "b", "undrain")).code).toBe("node_ending");
  expect(b.engine.undrain()).toBe(false);
  expect(b.engine.state).toBe("draining");
  let isEnded = false;
  void ended.then(() => {
    isEnded = true;
  });
  await a.settle();
  expect(isEnded).toBe(false);
});

test("orders to the node itself are fenced as those of other nodes, whoever gives them", async () => {
  const { a, b, order, figures } = await pair();
  const { engine } = b;
  expect(engine.info().fence).toBe(0);
  expect(engine.obey({ order: "drain", token: 5, windowMs: 60_000 })).toEqual({
    ok: true,
    value: undefined,
  });
  expect(engine.info()).toMatchObject({ state: "draining", fence: 5 });
  // The former leader's late orders, on either way.
  expect(engine.obey({ order: "undrain", token: 4 })).toMatchObject({ code: "order_refused" });
  expect((await order(a, "b", "undrain", { token: 4 })).code).toBe("order_refused");
  expect(engine.state).toBe("draining");
  expect(engine.obey({ order: "undrain", token: 6 }).ok).toBe(true);
  expect((await order(a, "b", "drain", { token: 5 })).code).toBe("order_refused");
  expect(engine.info()).toMatchObject({ state: "ready", fence: 6 });
  expect(figures(b)).toMatchObject({ obeyed: 2, refused: 3 });
});

test("the same order with the same token again does not move the deadline, another one does", async () => {
  const { b } = await pair();
  await b.connect({ migrates: true });
  const left = () => b.engine.info().drain?.deadlineInMs;
  const drain = { token: 5, windowMs: 60_000, preDelayMs: 0, toRevision: "r2" };
  b.engine.obey({ order: "drain", ...drain });
  await b.advance(10_000);
  for (let i = 0; i < 1000; i++) b.engine.obey({ order: "drain", ...drain });
  expect(left()).toBe(50_000);
  b.engine.obey({ order: "drain", ...drain, windowMs: 30_000 });
  expect(left()).toBe(30_000);
  await b.advance(10_000);
  b.engine.obey({ order: "drain", ...drain, windowMs: 30_000, token: 6 });
  expect(left()).toBe(30_000);
  // Without a token it is a new order each time.
  await b.advance(10_000);
  b.engine.obey({ order: "drain", windowMs: 30_000 });
  expect(left()).toBe(30_000);
});

test("a drain that was undone is begun again by the same order", async () => {
  const { b } = await pair();
  await b.connect({ migrates: true });
  b.engine.obey({ order: "drain", token: 5 });
  b.engine.undrain();
  b.engine.obey({ order: "drain", token: 5 });
  expect(b.engine.state).toBe("draining");
});

test("a thousand orders a second are told to the others a few times, and the last one counts", async () => {
  let figuresOfB = 0;
  const { a, b } = await pair({
    loses: ({ kind, from }) => {
      if (kind === "figures" && from === "b") figuresOfB += 1;
      return false;
    },
  });
  await b.connect({ migrates: true });
  for (let i = 0; i < 1000; i++) {
    b.engine.obey({ order: i % 2 === 0 ? "drain" : "undrain", token: i });
    await b.advance(1);
  }
  b.engine.obey({ order: "drain", token: 1000, toRevision: "r2", windowMs: 60_000 });
  await b.advance(300);
  expect(figuresOfB).toBeLessThan(20);
  expect(a.engine.nodes().find(({ node }) => node === "b")).toMatchObject({
    state: "draining",
    draining: { toRevision: "r2" },
    orders: { fence: 1000, obeyed: 1001 },
  });
});

test("what a node of another version says more, or not, is no part of an order", async () => {
  const { a, b } = await pair();
  await b.connect({ migrates: true });
  const bus: Broker["bus"] = a.broker.connect("newer").bus;
  const order = { kind: "order", from: "newer", node: "b", order: "drain", token: 3 };
  await bus.send({ ...order, id: "o1", zebra: true, windowMs: 60_000, toRevision: "r9" });
  await bus.send({ kind: "order-go", from: "newer", to: "b", id: "o1" });
  await b.advance(100);
  expect(b.engine.info()).toMatchObject({ state: "draining", fence: 3 });
  expect(b.engine.info().drain).toMatchObject({ toRevision: "r9" });
  // One of an earlier version names no revision: any node takes the sessions.
  await bus.send({ ...order, id: "o2", windowMs: 60_000 });
  await bus.send({ kind: "order-go", from: "newer", to: "b", id: "o2" });
  await b.advance(100);
  expect(b.engine.info().drain).not.toHaveProperty("toRevision");
});

test("a node tells whom it cannot move, how many it may have, and whether those are there", async () => {
  const { b } = await pair();
  const { connectionsMax } = TEST_SETTINGS.limits;
  const fixed = await b.connect();
  await b.connect({ migrates: true });
  b.open();
  expect(b.engine.info()).toMatchObject({
    connections: 3,
    sessions: 2,
    fixedSockets: 1,
    connectionsMax,
    isFull: false,
  });
  await fixed.lose();
  expect(b.engine.info()).toMatchObject({ fixedSockets: 0 });
  const limits = { ...TEST_SETTINGS.limits, connectionsMax: 2 };
  b.engine.configure({ ...TEST_SETTINGS, limits, nodeId: "b" });
  expect(b.engine.info()).toMatchObject({ connectionsMax: 2, isFull: true });
});
