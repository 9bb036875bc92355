// Owns: the SDK where no WebSocket can be had: behind proxies that block upgrades, let them hang,
// or hold answers back, over several nodes without stickiness, and in drains.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { createServer, request as httpRequest } from "node:http";
import { Holdfast, type HoldfastOptions } from "@holdfast/client";
import { type FallbackOptions, fallback, type TransportName } from "@holdfast/client/fallback";
import { msgpack } from "@holdfast/client/msgpack";
import { rpc } from "@holdfast/contract";
import { z } from "zod";
import { patience } from "../patience.ts";
import {
  sharedBroker,
  startNode,
  type TestNode,
  type TestNodeOptions,
  until,
} from "./start-node.ts";

setDefaultTimeout(patience(60_000));

const OPEN = {
  subscribe: "anyone",
  publish: "anyone",
  presence: "anyone",
  history: "anyone",
} as const;
const contract = {
  channels: { "chat:{room}": { presence: true, history: { size: 10_000 }, permissions: OPEN } },
  rpc: {
    sum: rpc({
      input: z.object({ a: z.number(), b: z.number() }),
      output: z.number(),
      allow: "anyone",
      handler: ({ a, b }) => a + b,
    }),
  },
};

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: TestNodeOptions = {}): Promise<TestNode> {
  const started = await startNode({ contract, ...options });
  cleanups.push(() => started.node.stop());
  return started;
}

const portOf = ({ httpUrl }: TestNode): number => Number(new URL(httpUrl).port);

interface ProxyRules {
  /** What becomes of an upgrade. Refused, or left without an answer. */
  readonly upgrades: "refused" | "hang";
  /** Answers are passed on when they are whole. */
  readonly buffers?: boolean;
}

/** A proxy in front of nodes; each request goes to the next of them. */
async function proxy(rules: ProxyRules, ...nodes: readonly TestNode[]) {
  const ports = nodes.map(portOf);
  let turn = 0;
  const seen = { upgrades: 0, requests: 0 };
  const server = createServer((from, to) => {
    seen.requests += 1;
    const port = ports[turn++ % ports.length];
    const up = httpRequest(
      { host: "127.0.0.1", port, method: from.method, path: from.url, headers: from.headers },
      (answer) => {
        if (rules.buffers !== true) {
          to.writeHead(answer.statusCode ?? 502, answer.headers);
          to.flushHeaders();
          answer.pipe(to);
          return;
        }
        const chunks: Buffer[] = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("end", () => {
          to.writeHead(answer.statusCode ?? 502, answer.headers);
          to.end(Buffer.concat(chunks));
        });
      },
    );
    up.on("error", () => to.destroy());
    to.on("close", () => up.destroy());
    from.pipe(up);
  });
  server.on("upgrade", (_request, socket) => {
    seen.upgrades += 1;
    socket.on("error", () => {});
    cleanups.push(() => socket.destroy());
    if (rules.upgrades === "refused")
      socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => server.closeAllConnections());
  cleanups.push(() => server.close());
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `ws://127.0.0.1:${port}/connect`,
    seen,
    /** From now on requests go to these. */
    target: (...others: readonly TestNode[]) =>
      void ports.splice(0, ports.length, ...others.map(portOf)),
  };
}

function clientOf(url: string, ways: FallbackOptions = {}, options: HoldfastOptions = {}) {
  const used: TransportName[] = [];
  const states: string[] = [];
  const socket = fallback({ onTransport: (name) => used.push(name), ...ways });
  const client = new Holdfast<typeof contract>(url, { WebSocket: socket, ...options });
  client.on("state", ({ state }) => states.push(state));
  cleanups.push(() => client.close());
  return { client, used, states };
}

const patient = { patienceMs: patience(10_000) };

test("where WebSockets go through, one is used", async () => {
  const node = await start();
  const { client, used } = clientOf(node.url, patient);
  await client.channel("chat:a").subscribe(() => {}).ready;
  expect(used).toEqual(["websocket"]);
});

for (const [what, rules, way] of [
  ["refuses upgrades", { upgrades: "refused" }, "stream"],
  ["lets upgrades hang", { upgrades: "hang" }, "stream"],
  ["refuses upgrades and holds answers back", { upgrades: "refused", buffers: true }, "poll"],
] as const)
  for (const codec of ["json", "msgpack"] as const)
    test(`behind a proxy that ${what}, everything works over ${way}, with ${codec}`, async () => {
      const node = await start();
      const front = await proxy(rules, node);
      const { client, used } = clientOf(
        front.url,
        { patienceMs: 400 },
        codec === "msgpack" ? { codec: msgpack } : {},
      );
      const direct = new Holdfast<typeof contract>(node.url);
      cleanups.push(() => direct.close());
      const got: unknown[] = [];
      const channel = client.channel("chat:a");
      await channel.subscribe(({ data }) => got.push(data)).ready;
      expect(used).toEqual([way]);
      const sent = Array.from({ length: 200 }, (_, n) => ({ n, text: "ü\n€".repeat(n % 7) }));
      await Promise.all(sent.map((data) => channel.publish(data)));
      await direct.channel("chat:a").publish(new Uint8Array([1, 2, 3]));
      await until("all came", () => got.length === 201);
      expect(got.slice(0, 200)).toEqual(sent);
      expect(got[200]).toEqual(new Uint8Array([1, 2, 3]));
      expect(await client.rpc("sum", { a: 1, b: 2 })).toBe(3);
      await channel.presence.enter({ name: "ada" });
      const members = await direct.channel("chat:a").presence.get();
      expect(members.map(({ data }) => data)).toEqual([{ name: "ada" }]);
      const large = "x".repeat(60_000);
      await channel.publish(large);
      await until("the large one came", () => got.length === 202);
      expect(got[201]).toBe(large);
      await client.close();
      await until("it has left", () => node.node.info().connections === 1);
      expect(node.bugs).toEqual([]);
    });

test("a large room reaches those over HTTP as well, each publication once and in order", async () => {
  const node = await start({ env: { HOLDFAST_FLOW_GROUP_FROM: "3" } });
  const lists: number[][] = [];
  for (const transports of [
    ["stream"],
    ["poll"],
    ["websocket"],
    ["stream"],
    ["poll"],
    ["websocket"],
  ] as const) {
    const { client } = clientOf(node.url, { transports, ...patient });
    const got: number[] = [];
    lists.push(got);
    await client.channel("chat:a").subscribe(({ data }) => got.push(data as number)).ready;
  }
  const numbers = Array.from({ length: 100 }, (_, n) => n);
  for (const n of numbers)
    await node.node.control.publish("chat:a", { payload: { kind: "json", text: String(n) } });
  for (const got of lists) {
    await until("all came", () => got.length >= 100);
    expect(got).toEqual(numbers);
  }
});

for (const transports of [["stream"], ["poll"]] as const)
  test(`over ${transports[0]} without stickiness, requests find the connection's node`, async () => {
    const broker = sharedBroker();
    const nodes = [await start({ broker }), await start({ broker }), await start({ broker })];
    await until("they know each other", () =>
      nodes.every(({ node }) => node.control.nodes().length === 3),
    );
    const front = await proxy({ upgrades: "refused" }, ...nodes);
    const { client, states } = clientOf(front.url, { transports, ...patient });
    const got: unknown[] = [];
    const channel = client.channel("chat:a");
    await channel.subscribe(({ data }) => got.push(data)).ready;
    for (let n = 0; n < 60; n++) await channel.publish(n);
    await until("all came", () => got.length === 60);
    expect(got).toEqual(Array.from({ length: 60 }, (_, n) => n));
    expect(await client.rpc("sum", { a: 2, b: 2 })).toBe(4);
    expect(states).toEqual(["connected"]);
  });

for (const transports of [["stream"], ["poll"]] as const)
  test(`over ${transports[0]} a drain moves the session: connected throughout, nothing lost, nobody leaves`, async () => {
    const broker = sharedBroker();
    const [a, b] = [await start({ broker }), await start({ broker })];
    const front = await proxy({ upgrades: "refused" }, a);
    const { client, states } = clientOf(front.url, { transports, ...patient });
    const watcher = new Holdfast<typeof contract>(b.url);
    cleanups.push(() => watcher.close());
    const left: unknown[] = [];
    const room = watcher.channel("chat:a");
    room.presence.on("change", ({ leave }) => left.push(...(leave ?? [])));
    const got: number[] = [];
    const channel = client.channel("chat:a");
    await channel.subscribe(({ data }) => got.push(data as number)).ready;
    await channel.presence.enter({ name: "ada" });
    await room.presence.get();
    let isPublishing = true;
    let count = 0;
    const publishing = (async () => {
      while (isPublishing) {
        await channel.publish(count);
        count += 1;
        await Bun.sleep(2);
      }
    })();
    await until("some came", () => got.length > 20);
    front.target(b);
    const progress = await a.node.drain({ windowMs: 5_000 });
    expect(progress).toMatchObject({ moved: 1, told: 0, cut: 0 });
    const before = count;
    await until("it goes on", () => count > before + 20);
    isPublishing = false;
    await publishing;
    await until("all came", () => got.length === count);
    expect(got).toEqual(Array.from({ length: count }, (_, n) => n));
    expect(states).toEqual(["connected"]);
    expect([left, client.stats().gaps, client.stats().migrations]).toEqual([[], 0, 1]);
  });

test("a connection that breaks is resumed, and what was found out about the network holds", async () => {
  const broker = sharedBroker();
  const [a, b] = [await start({ broker }), await start({ broker })];
  const front = await proxy({ upgrades: "refused" }, a);
  const { client, used } = clientOf(front.url);
  const got: unknown[] = [];
  const channel = client.channel("chat:a");
  await channel.subscribe(({ data }) => got.push(data)).ready;
  const upgrades = front.seen.upgrades;
  front.target(b);
  await a.node.stop();
  for (let n = 0; n < 10; n++) await channel.publish(n);
  await until("all came", () => got.length === 10);
  expect(used).toEqual(["stream", "stream"]);
  expect(front.seen.upgrades).toBe(upgrades);
});

const post = ({ httpUrl }: TestNode, body: string | Uint8Array, headers = {}) =>
  fetch(`${httpUrl}/events/socket`, { method: "POST", body: body as string, headers });

test("what is no request of the protocol is refused, and connections cannot be guessed", async () => {
  const node = await start();
  for (const [body, status] of [
    ["", 400],
    ["{", 400],
    ["5", 400],
    ['{"open":"socket","subprotocol":"holdfast.v1"}', 400],
    ['{"open":"poll"}', 400],
    ['{"id":"x","send":-1}', 400],
    ['{"id":5,"send":1}', 400],
    ['{"id":"x","send":1}\n{}', 404],
    ['{"id":"n.x","poll":1,"waitMs":100}', 404],
    [`{"id":"${"x".repeat(300)}","send":1}`, 400],
    [new Uint8Array([0xff, 0xfe]), 400],
    ["x".repeat(400_000), 413],
  ] as const)
    expect([String(body).slice(0, 40), (await post(node, body)).status]).toEqual([
      String(body).slice(0, 40),
      status,
    ]);
  const strict = await start({ env: { HOLDFAST_ALLOWED_ORIGINS: "https://app.example" } });
  const open = '{"open":"poll","subprotocol":"holdfast.v1"}';
  expect((await post(strict, open, { origin: "https://evil.example" })).status).toBe(403);
  expect((await post(strict, open, { origin: "https://app.example" })).status).toBe(200);
  expect(node.bugs).toEqual([]);
});

test("a message that is sent again is taken once, and messages of a poll come again until confirmed", async () => {
  const node = await start();
  const { id } = await (await post(node, '{"open":"poll","subprotocol":"holdfast.v1"}')).json();
  const say = (head: object, frame?: object) =>
    post(
      node,
      `${JSON.stringify({ id, ...head })}${frame === undefined ? "" : `\n${JSON.stringify(frame)}`}`,
    );
  expect((await say({ send: 1 }, { t: "connect", id: 1 })).status).toBe(204);
  const publish = { t: "publish", id: 2, ch: "chat:a", d: 1 };
  expect((await say({ send: 3 }, publish)).status).toBe(409);
  for (let i = 0; i < 3; i++) expect((await say({ send: 2 }, publish)).status).toBe(204);
  const page = await node.node.control.history("chat:a", { limit: 10 } as never);
  expect(page.ok && page.value.publications).toHaveLength(1);
  const poll = async (next: number) => (await say({ poll: next, waitMs: 0 })).json();
  const first = await poll(1);
  expect([first.first, JSON.parse(first.messages[0]).t]).toEqual([1, "connected"]);
  expect(await poll(1)).toEqual(first);
  const rest = await poll(1 + first.messages.length);
  expect(rest.messages).toEqual([]);
  expect((await say({ close: 1000 })).status).toBe(204);
  expect((await say({ poll: 1, waitMs: 0 })).status).toBe(404);
  await until("it is gone", () => node.node.info().connections === 0);
});
