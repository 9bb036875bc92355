import { expect, test } from "bun:test";
import {
  createEngineHarness,
  createManualClock,
  createSeededRandom,
  type EngineHarness,
  type HandClient,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import { createMemoryBroker } from "../memory-broker/memory-broker.ts";
import type { NodeSettings } from "../settings.ts";

const contract = { channels: { "chat:{room}": { presence: true } } };

interface Fleet {
  readonly nodes: readonly EngineHarness[];
  advance(ms: number): Promise<void>;
  add(id: string, settings?: Partial<NodeSettings>): Promise<EngineHarness>;
}

async function fleet(ids: readonly string[], settings: Partial<NodeSettings> = {}): Promise<Fleet> {
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: createSeededRandom(7) });
  const nodes: EngineHarness[] = [];
  const add = async (nodeId: string, more: Partial<NodeSettings> = {}): Promise<EngineHarness> => {
    const node = await createEngineHarness({
      contract,
      clock,
      broker,
      settings: { ...TEST_SETTINGS, ...settings, ...more, nodeId },
    });
    nodes.push(node);
    return node;
  };
  for (const id of ids) await add(id);
  const [first] = nodes as [EngineHarness];
  return { nodes, add, advance: (ms) => first.advance(ms) };
}

const connectMany = async (node: EngineHarness, count: number): Promise<HandClient[]> => {
  const clients: HandClient[] = [];
  for (let i = 0; i < count; i++) clients.push(await node.connect({ migrates: true }));
  return clients;
};
const ids = (node: EngineHarness): string[] => node.engine.nodes().map(({ node: id }) => id);
const told = async (clients: readonly HandClient[]): Promise<number> => {
  let count = 0;
  for (const client of clients)
    count += (await client.take()).filter(({ t }) => t === "migrate").length;
  return count;
};

test("nodes know each other within a second, miss one that left at once and one that died after its lease", async () => {
  const { nodes, advance } = await fleet(["a", "b", "c"]);
  const [a, b, c] = nodes as [EngineHarness, EngineHarness, EngineHarness];
  await advance(1100);
  for (const node of nodes) expect(ids(node)).toEqual(["a", "b", "c"]);
  b.engine.stop();
  await advance(50);
  expect(ids(a)).toEqual(["a", "c"]);
  expect(a.observed).toContain("nodeChanged b left");
  // It says nothing more, and nobody takes it for a newcomer.
  await advance(2000);
  expect(ids(a)).toEqual(["a", "c"]);
  c.broker.connect("c");
  expect(a.engine.nodes().find(({ node }) => node === "c")).toMatchObject({
    state: "ready",
    sessions: 0,
    handshakesPerSecond: 1000,
  });
});

test("a newcomer is told of the others at once, not with their next figures", async () => {
  const { nodes, add, advance } = await fleet(["a"]);
  await advance(1300);
  const d = await add("d");
  await advance(300);
  expect(ids(d)).toEqual(["a", "d"]);
  expect(nodes[0]?.observed).toContain("nodeChanged d joined");
  expect(d.observed.filter((line) => line.startsWith("nodeChanged"))).toEqual([
    "nodeChanged a joined",
  ]);
  await advance(2500);
  await d.broker.connect("ghost").bus.send({ kind: "left", from: "ghost" });
  await advance(50);
  expect(d.observed.filter((line) => line.startsWith("nodeChanged"))).toEqual([
    "nodeChanged a joined",
  ]);
});

test("a node that is configured anew tells the others what it can take from then on", async () => {
  const { nodes, advance } = await fleet(["a", "b"]);
  const [a, b] = nodes as [EngineHarness, EngineHarness];
  await advance(1100);
  const admission = { ...TEST_SETTINGS.admission, handshakesPerSecond: 40 };
  a.engine.configure({ ...TEST_SETTINGS, admission, nodeId: "a" });
  await advance(1500);
  const figures = b.engine.nodes().find(({ node }) => node === "a");
  expect(figures?.handshakesPerSecond).toBe(40);
});

test("the window counts who would take the sessions in, not who holds them", async () => {
  const { nodes, advance } = await fleet(["a", "b", "c"], {
    admission: { handshakesPerSecond: 10, resumeReserve: 0, windowMinMs: 100 },
  });
  const [a] = nodes as [EngineHarness];
  const clients: HandClient[] = [];
  for (let i = 0; i < 8; i++) {
    clients.push(await a.connect());
    await advance(1000);
  }
  expect(a.engine.info().sessions).toBe(8);
  expect(a.engine.info().windowMs).toBe(Math.ceil((1.3 * 8 * 1000) / 20));
});

test("clients are told a window that no longer fits what they know, once, and a part of them at a time", async () => {
  const admission = { handshakesPerSecond: 1000, resumeReserve: 0, windowMinMs: 10 };
  const limits = { ...TEST_SETTINGS.limits, connectionsMax: 1000, connectionsPerAddressMax: 1000 };
  const { nodes, add, advance } = await fleet(["a", "b"], { admission, limits });
  const [a, b] = nodes as [EngineHarness, EngineHarness];
  await advance(1500);
  const clients: HandClient[] = [];
  for (let round = 0; round < 30; round++) {
    clients.push(...(await connectMany(a, 20)));
    await advance(50);
  }
  await advance(3000);
  const advised = async (): Promise<number[][]> => {
    const frames = await Promise.all(clients.map((client) => client.take()));
    return frames.map((some) =>
      some.flatMap((frame) => (frame.t === "advice" ? [frame.windowMs] : [])),
    );
  };
  await advised();
  const { windowMs } = a.engine.info();
  expect(windowMs).toBe(780);
  // Three nodes join: four times as many handshakes, a quarter of the window, which fits nobody.
  for (const id of ["c", "d", "e"]) await add(id);
  await advance(300);
  const first = (await advised()).flat();
  expect(first.length).toBeGreaterThan(0);
  expect(first.length).toBeLessThan(600);
  await advance(5000);
  const rest = (await advised()).flat();
  expect(first.length + rest.length).toBe(600);
  expect(new Set([...first, ...rest])).toEqual(new Set([windowMs / 4]));
  // A third more is let be; as before is four times as much.
  b.engine.stop();
  await advance(5000);
  expect((await advised()).flat()).toEqual([]);
  for (const node of nodes.slice(3)) node.engine.stop();
  await advance(10_000);
  expect(await advised()).toEqual(clients.map(() => [windowMs]));
});

test("two nodes told to drain at once share what the third can take", async () => {
  const slow = {
    admission: { handshakesPerSecond: 20, resumeReserve: 0, windowMinMs: 100 },
    drain: { preDelayMs: 0, windowMs: 60_000, perSecondMax: 1000 },
  };
  const { nodes, advance } = await fleet(["a", "b", "c"], slow);
  const [a, b] = nodes as [EngineHarness, EngineHarness];
  const fill = async (node: EngineHarness): Promise<HandClient[]> => {
    const clients: HandClient[] = [];
    while (clients.length < 30) {
      const client = await node.connect({ migrates: true });
      if (client.link.closedWith === undefined) clients.push(client);
      else await advance(200);
    }
    return clients;
  };
  const inA = await fill(a);
  const inB = await fill(b);
  await advance(1500);
  void a.engine.drain();
  void b.engine.drain();
  // 0.7 of 20 a second for both together, and the first of each at once.
  for (let second = 1; second <= 3; second++) {
    await advance(1000);
    const moved = await told([...inA, ...inB]);
    expect(moved).toBeLessThanOrEqual(second === 1 ? 17 : 15);
    expect(moved).toBeGreaterThanOrEqual(12);
  }
});

test("a drain goes slower while a node that takes the sessions in is late", async () => {
  const movedWithin = async (lagMs: number): Promise<number> => {
    const { nodes, advance } = await fleet(["a"], {
      drain: { preDelayMs: 0, windowMs: 60_000, perSecondMax: 10 },
    });
    const [a] = nodes as [EngineHarness];
    const clients = await connectMany(a, 45);
    const taker = a.broker.connect("taker");
    const figures = {
      ...(a.engine.nodes()[0] as ReturnType<typeof a.engine.nodes>[number]),
      node: "taker",
      lagMs,
    };
    const tell = () => taker.bus.send({ kind: "figures", from: "taker", figures } as never);
    await tell();
    await advance(50);
    void a.engine.drain();
    for (let i = 0; i < 4; i++) {
      await advance(500);
      await tell();
    }
    return told(clients);
  };
  const [quick, slow] = [await movedWithin(0), await movedWithin(10_000)];
  expect(quick).toBeGreaterThan(10);
  expect(slow).toBeLessThan(quick / 1.5);
});

test("a node that joins is given its share once, slowly, and then nobody moves", async () => {
  const even = { fleet: { ...TEST_SETTINGS.fleet, rebalance: true } };
  const { nodes, advance, add } = await fleet(["a"], even);
  const [a] = nodes as [EngineHarness];
  const clients = await connectMany(a, 40);
  const b = await add("b", even);
  await advance(3000);
  expect(await told(clients)).toBe(0);
  let moved = 0;
  for (let i = 0; i < 12; i++) {
    await advance(1000);
    for (const client of [...clients]) {
      if ((await told([client])) === 0) continue;
      await b.connect();
      await client.send({ t: "bye", moved: true });
      clients.splice(clients.indexOf(client), 1);
      moved += 1;
    }
  }
  expect(moved).toBeGreaterThanOrEqual(16);
  expect(moved).toBeLessThanOrEqual(20);
  const counts = a.observed.flatMap((line) =>
    line.startsWith("rebalanced") ? [Number(line.split(" ")[1])] : [],
  );
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(moved);
  const after = counts.length;
  await advance(20_000);
  expect(a.observed.filter((line) => line.startsWith("rebalanced"))).toHaveLength(after);
});

test("a moving session is turned away by an old revision while a newer one is ready, six times at most", async () => {
  const { nodes, advance, add } = await fleet(["a", "b"]);
  const [a, b] = nodes as [EngineHarness, EngineHarness];
  const first = a.open();
  await first.send({ t: "connect", id: 1 });
  const connected = (await first.take()).find(({ t }) => t === "connected");
  const resume = connected?.t === "connected" ? connected.resume : "";
  await advance(1000);
  await add("c", { revision: "r2" });
  await advance(1500);
  const answers: string[] = [];
  for (let i = 0; i < 7; i++) {
    const moving = b.open();
    await moving.send({ t: "connect", id: 1, resume, moving: true });
    answers.push(
      ...(await moving.take()).map((frame) => (frame.t === "goodbye" ? frame.name : frame.t)),
    );
  }
  expect(answers).toEqual([...Array.from({ length: 6 }, () => "try_later"), "connected"]);
});

test("sessions of one user that come back find a place on fewer nodes; newcomers do not, and there is an end", async () => {
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: createSeededRandom(7) });
  const tokens = { ada: { user: "ada" } };
  const max = TEST_SETTINGS.limits.connectionsPerUserMax;
  const start = (nodeId: string): Promise<EngineHarness> =>
    createEngineHarness({
      contract,
      clock,
      broker,
      tokens,
      settings: { ...TEST_SETTINGS, nodeId },
    });
  const nodes = [await start("a"), await start("b"), await start("c")];
  const [a] = nodes as [EngineHarness];
  await a.advance(1100);
  const enter = async (node: EngineHarness, frame: { token?: string; resume?: string }) => {
    const client = node.open();
    await client.send({ t: "connect", id: 1, ...frame });
    const [answer] = await client.take();
    return answer?.t === "connected" ? answer.resume : answer?.t === "goodbye" && answer.name;
  };
  const resume = (session: string): string =>
    JSON.stringify({ session, identity: tokens.ada, issuedAtMs: 0 });
  for (let i = 0; i < max; i++)
    expect(await enter(a, { token: "ada" })).not.toBe("connection_limit");
  expect(await enter(a, { token: "ada" })).toBe("connection_limit");
  // They were on the two other nodes.
  for (let i = 0; i < 2 * max; i++)
    expect(await enter(a, { resume: resume(`s${i}`) })).not.toBe("connection_limit");
  expect(a.engine.info().sessions).toBe(3 * max);
  expect(await enter(a, { resume: resume("one more") })).toBe("connection_limit");
});

test("a session that comes back has its place beside those of its address, as many as its nodes may have had", async () => {
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: createSeededRandom(7) });
  const max = 4;
  const limits = { ...TEST_SETTINGS.limits, connectionsPerAddressMax: max };
  const start = (nodeId: string): Promise<EngineHarness> =>
    createEngineHarness({
      contract,
      clock,
      broker,
      tokens: { ada: { user: "ada" } },
      settings: { ...TEST_SETTINGS, nodeId, limits },
    });
  const nodes = [await start("a"), await start("b"), await start("c")];
  const [a] = nodes as [EngineHarness];
  await a.advance(1100);
  const enter = async (frame: { resume?: string; moving?: boolean; token?: string }) => {
    const client = a.open({ address: "203.0.113.7" });
    await client.send({ t: "connect", id: 1, ...frame });
    const [answer] = await client.take();
    return answer?.t === "goodbye" ? answer.name : answer?.t;
  };
  const resume = (session: string): string =>
    JSON.stringify({ session, identity: {}, issuedAtMs: 0 });
  for (let i = 0; i < max; i++) expect(await enter({})).toBe("connected");
  expect(await enter({})).toBe("connection_limit");
  expect(await enter({ token: "ada" })).toBe("connection_limit");
  expect(await enter({ resume: "none" })).toBe("connection_limit");
  // A drain of the two other nodes: each may have had as many of this address.
  for (let i = 0; i < 2 * max; i++)
    expect(await enter({ resume: resume(`s${i}`), moving: i % 2 === 0 })).toBe("connected");
  expect(await enter({ resume: resume("one more") })).toBe("connection_limit");
  expect(a.engine.info().sessions).toBe(3 * max);
});

test("sessions of every node are listed together, and a node that does not answer is named, not waited for", async () => {
  const { nodes, advance } = await fleet(["a", "b"]);
  const [a, b] = nodes as [EngineHarness, EngineHarness];
  await advance(1100);
  await connectMany(a, 2);
  await connectMany(b, 3);
  const asked = a.engine.sessionsEverywhere({ limit: 10 });
  await advance(50);
  const { sessions, missing } = await asked;
  expect(sessions.map(({ node }) => node).sort()).toEqual(["a", "a", "b", "b", "b"]);
  expect(missing).toEqual([]);
  expect(sessions.map(({ session }) => session)).toEqual(
    sessions.map(({ session }) => session).toSorted(),
  );
  const few = a.engine.sessionsEverywhere({ limit: 2 });
  await advance(50);
  expect((await few).sessions).toEqual(sessions.slice(0, 2));
  // A node that says that it lives and answers nothing.
  await a.broker.connect("ghost").bus.send({
    kind: "figures",
    from: "ghost",
    figures: {
      ...(a.engine.nodes()[0] as ReturnType<typeof a.engine.nodes>[number]),
      node: "ghost",
    },
  });
  await advance(50);
  const again = a.engine.sessionsEverywhere({ limit: 10 });
  await advance(1100);
  expect(await again).toMatchObject({ missing: ["ghost"], sessions });
  // No more than 256 questions wait; a further one has what this node knows.
  for (let i = 0; i < 256; i++) void a.engine.sessionsEverywhere({ limit: 10 });
  const further = await a.engine.sessionsEverywhere({ limit: 10 });
  expect(further.missing).toEqual(["b", "ghost"]);
  expect(further.sessions).toHaveLength(2);
  await advance(1100);
  const later = a.engine.sessionsEverywhere({ limit: 10 });
  await advance(1100);
  expect(await later).toMatchObject({ sessions });
});
