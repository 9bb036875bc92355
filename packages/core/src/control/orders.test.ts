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
