// Owns: `/events` against real nodes: what readers get, who may read, and what becomes of them in
// drains and when they are slow.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import { patience } from "../patience.ts";
import { EventReader } from "./event-reader.ts";
import {
  sharedBroker,
  startNode,
  type TestNode,
  type TestNodeOptions,
  until,
} from "./start-node.ts";

setDefaultTimeout(patience(30_000));

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: TestNodeOptions = {}): Promise<TestNode> {
  const started = await startNode(options);
  cleanups.push(() => started.node.stop());
  return started;
}

function read(url: () => string, options: ConstructorParameters<typeof EventReader>[1] = {}) {
  const reader = new EventReader(url, options);
  cleanups.push(() => reader.stop());
  return reader;
}

const publish = async ({ node }: TestNode, channel: string, data: unknown, key?: string) => {
  const payload = { kind: "json" as const, text: JSON.stringify(data) };
  const outcome = await node.control.publish(channel, {
    payload,
    ...(key === undefined ? {} : { key }),
  });
  expect(outcome).toMatchObject({ ok: true });
};

const post = (node: TestNode, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${node.httpUrl}/events`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

const metric = async ({ internalUrl }: TestNode, line: string): Promise<boolean> =>
  (await (await fetch(`${internalUrl}/metrics`)).text()).includes(line);

test("a reader gets every publication of its channels, published by POST, with ids", async () => {
  const node = await start();
  const reader = read(() => `${node.httpUrl}/events?channel=chat:a&channel=chat:b`);
  await until("it has begun", () => reader.of("subscribed").length === 2);
  const answer = await post(node, { channel: "chat:a", data: { n: 1 }, idempotencyKey: "k" });
  expect(answer.status).toBe(202);
  expect(await answer.json()).toMatchObject({ offset: 1, duplicate: false });
  const again = await post(node, { channel: "chat:a", data: { n: 1 }, idempotencyKey: "k" });
  expect(await again.json()).toMatchObject({ offset: 1, duplicate: true });
  expect((await post(node, { channel: "chat:b", b: "AQI=" })).status).toBe(202);
  await until("both came", () => reader.of("publication").length === 2);
  expect(reader.of("publication").map(({ data }) => data)).toMatchObject([
    { channel: "chat:a", offset: 1, data: { n: 1 } },
    { channel: "chat:b", offset: 1, b: "AQI=" },
  ]);
  expect(reader.lastId).toMatch(/^1[0-9a-z]{6}\S+~[0-9a-z]{6}\S+$/);
  expect(await metric(node, 'holdfast_http_streams{route="events_sse"} 1')).toBe(true);
  reader.stop();
  await until("no stream is open", () =>
    metric(node, 'holdfast_http_streams{route="events_sse"} 0'),
  );
  await until("no session is left", () => node.node.info().connections <= 1);
  expect(node.bugs).toEqual([]);
});

test("who comes back with its id gets what it missed, once, of every channel", async () => {
  const node = await start();
  const url = `${node.httpUrl}/events?channel=chat:a&channel=chat:b&channel=state:s`;
  const first = read(() => url);
  await until("it has begun", () => first.of("subscribed").length === 3);
  await publish(node, "chat:a", 1);
  await until("it came", () => first.of("publication").length === 1);
  first.stop();
  for (const n of [2, 3]) await publish(node, "chat:a", n);
  await publish(node, "chat:b", "b");
  await publish(node, "state:s", "old", "k");
  await publish(node, "state:s", "new", "k");
  const second = read(() => url, { headers: () => ({ "last-event-id": first.lastId }) });
  await until("all came", () => second.of("publication").length === 4);
  const got = second.of("publication").map(({ data }) => `${data.channel} ${data.data}`);
  expect(got.toSorted()).toEqual(["chat:a 2", "chat:a 3", "chat:b b", "state:s new"]);
  const byQuery = read(() => `${url}&after=${encodeURIComponent(second.lastId)}`);
  await until("it has begun", () => byQuery.of("subscribed").length === 3);
  expect(byQuery.of("subscribed").map(({ data }) => data.recovered)).toEqual([true, true, true]);
  expect(byQuery.of("publication")).toEqual([]);
});

test("what is no longer kept is told as a gap before anything newer", async () => {
  const history = { size: 2 };
  const permissions = { subscribe: "anyone", history: "anyone" } as const;
  const node = await start({ contract: { channels: { "short:{x}": { history, permissions } } } });
  const url = `${node.httpUrl}/events?channel=short:a`;
  const first = read(() => url);
  await publish(node, "short:a", 0);
  await until("it has begun", () => first.of("subscribed").length === 1);
  first.stop();
  for (let n = 1; n <= 600; n++) await publish(node, "short:a", n);
  const second = read(() => `${url}&after=${first.lastId}`);
  await publish(node, "short:a", 601);
  await until("the newest came", () => second.events.at(-1)?.data.offset === 602);
  const [beginning, gap, ...rest] = second.events;
  expect(beginning?.event).toBe("subscribed");
  expect(gap).toMatchObject({ event: "gap", data: { channel: "short:a", reason: "history" } });
  const offsets = rest.map(({ data }) => data.offset);
  expect(offsets).toEqual(
    Array.from({ length: 603 - gap?.data.next }, (_, i) => gap?.data.next + i),
  );
});

const bad: [string, string, number, string][] = [
  ["no channel", "", 400, "channel"],
  ["an unknown member", "channel=chat:a&token=x", 400, "token"],
  [
    "33 channels",
    Array.from({ length: 33 }, (_, i) => `channel=chat:${i}`).join("&"),
    400,
    "channel",
  ],
  ["a name that is too long", `channel=${"c".repeat(256)}`, 400, "channel"],
  ["no id of ours", "channel=chat:a&after=x", 400, "after"],
  ["an id that is too long", `channel=chat:a&after=1${"a".repeat(9_000)}`, 400, "after"],
  ["an offset beyond 2^53", "channel=chat:a&after=1aaaaaae.zzzzzzzzzzz", 400, "after"],
  ["an epoch that is no text", "channel=chat:a&after=1aaaaaa%25ff.1", 400, "after"],
  ["a last that is too large", "channel=chat:a&last=1001", 400, "last"],
  ["two lasts", "channel=chat:a&last=1&last=2", 400, "last"],
  ["a channel that nobody declared", "channel=chat:a&channel=nobody", 404, "nobody"],
];
test.each(bad)("%s is refused with its name", async (_what, query, status, name) => {
  const node = await start();
  const response = await fetch(`${node.httpUrl}/events?${query}`);
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = await response.json();
  expect(`${problem.path} ${problem.channel} ${problem.detail}`).toContain(name);
  await until("no connection is left", () => node.node.info().connections === 0);
});

test("forged ids are harmless: a gap, or what the channel keeps", async () => {
  const node = await start();
  const url = `${node.httpUrl}/events?channel=chat:a`;
  await publish(node, "chat:a", 1);
  const first = read(() => url);
  await until("it has begun", () => first.of("subscribed").length === 1);
  const forged = [
    first.lastId.replace(/\.[0-9a-z]+$/, ".zzzzzzz"),
    first.lastId.replace(/\.[0-9a-z]+$/, ".0"),
    first.lastId.replace(/^1......./, "1zzzzzz"),
    first.lastId.replace(/^(1......).*\./, "$1another."),
    "1",
    `${first.lastId}!a.b`,
  ];
  for (const id of forged) {
    const reader = read(() => url, { headers: () => ({ "last-event-id": id }) });
    await until(`it has begun: ${id}`, () => reader.of("subscribed").length === 1);
    reader.stop();
  }
  expect(node.bugs).toEqual([]);
});

test("a drain ends each stream in its window, and readers go on at the next node", async () => {
  const broker = sharedBroker();
  const [a, b] = [await start({ broker }), await start({ broker })];
  let target = a;
  const channels = ["chat:a", "chat:b", "chat:c"];
  const url = () =>
    `${target.httpUrl}/events?${channels.map((name) => `channel=${name}`).join("&")}`;
  const readers = Array.from({ length: 20 }, () => read(url));
  await until("all have begun", () => readers.every((one) => one.of("subscribed").length === 3));
  let isPublishing = true;
  let count = 0;
  const publishing = (async () => {
    while (isPublishing) {
      for (const channel of channels) await publish(b, channel, count);
      count += 1;
      await Bun.sleep(2);
    }
  })();
  await until("some came", () => readers.every((one) => one.of("publication").length > 30));
  target = b;
  const progress = await a.node.drain({ windowMs: 1_000 });
  expect(progress).toMatchObject({ told: 20, cut: 0, remaining: 0 });
  await until("all are at the other node", () => b.node.info().subscriptions === 60);
  const sofar = count;
  await until("it went on", () => count > sofar + 20);
  isPublishing = false;
  await publishing;
  for (const reader of readers) {
    await until("it has all", () => reader.of("publication").length >= count * 3);
    for (const channel of channels) {
      const offsets = reader.of("publication").filter(({ data }) => data.channel === channel);
      expect(offsets.map(({ data }) => data.offset)).toEqual(
        Array.from({ length: count }, (_, i) => i + 1),
      );
    }
    expect(reader.of("gap")).toEqual([]);
    expect([reader.attempts, reader.cleanEnds]).toEqual([2, 1]);
    expect(reader.of("goodbye").map(({ data }) => data.code)).toEqual(["draining"]);
  }
});

test("a refusal that passes lets a browser come back, and others are told when", async () => {
  const node = await start({ env: { HOLDFAST_DRAIN_WINDOW_MS: "60000" } });
  const holder = read(() => `${node.httpUrl}/events?channel=chat:a`);
  await until("it has begun", () => holder.of("subscribed").length === 1);
  void node.node.control.drain({ preDelayMs: 0, windowMs: 20_000 });
  await until("it sends away", () => node.node.state === "draining");
  const ask = (accept: string) =>
    fetch(`${node.httpUrl}/events?channel=chat:a`, { headers: { accept } });
  const browser = await ask("text/event-stream");
  expect([browser.status, browser.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const text = await browser.text();
  expect(text).toMatch(/^retry: \d+\nevent: goodbye\ndata: \{"code":"draining"/);
  for (const accept of ["application/x-ndjson", "application/json"]) {
    const refused = await ask(accept);
    expect([refused.status, (await refused.json()).code]).toEqual([503, "draining"]);
  }
});

test("a silent stream gets signs of life, and its session is no idle one", async () => {
  const node = await start({
    env: { HOLDFAST_TIMEOUTS_IDLE_MS: "1000", HOLDFAST_TIMEOUTS_PING_MS: "500" },
  });
  const reader = read(() => `${node.httpUrl}/events?channel=chat:a`);
  await until("it has begun", () => reader.of("subscribed").length === 1);
  // Six of them take three times the idle timeout.
  await until("it lives", () => reader.comments.length >= 6);
  expect([reader.attempts, node.node.info().sessions]).toEqual([1, 1]);
  await publish(node, "chat:a", 1);
  await until("it came", () => reader.of("publication").length === 1);
});

test("a reader that takes nothing is ended as slow, and hurts no other one", async () => {
  const permissions = { subscribe: "anyone", history: "anyone" } as const;
  const node = await start({
    contract: {
      channels: { "big:{x}": { class: "volatile", slowConsumer: "disconnect", permissions } },
    },
  });
  const good = read(() => `${node.httpUrl}/events?channel=big:a`);
  await until("it has begun", () => good.of("subscribed").length === 1);
  const socket = connect(Number(new URL(node.httpUrl).port), "127.0.0.1");
  cleanups.push(() => socket.destroy());
  socket.write(
    "GET /events?channel=big:a HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n",
  );
  socket.pause();
  await until("both read", () => node.node.info().subscriptions === 2);
  const text = "x".repeat(50_000);
  let sent = 0;
  while (node.node.info().subscriptions === 2 && sent < 2_000) {
    await publish(node, "big:a", text);
    sent += 1;
    if (sent % 10 === 0)
      await until("the good one has it", () => good.of("publication").length === sent);
  }
  expect(node.node.info().subscriptions).toBe(1);
  await until("the good one has all", () => good.of("publication").length === sent);
  expect(await metric(node, 'holdfast_slow_consumers_total{policy="disconnect"} 1')).toBe(true);
});
