import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../../../../../test/patience.ts";
import type { HttpApiOptions } from "../api.ts";
import { keyOf, serve, until } from "../testing.ts";
import { type Channel, channelOf, linesOf, stalledReader, urlOf, withKey } from "./testing.ts";

setDefaultTimeout(patience(30_000));

const running: { stop(): void }[] = [];
afterEach(() => {
  for (const one of running.splice(0)) one.stop();
});

function start(channel: Channel, options: Partial<HttpApiOptions> = {}) {
  const made = channelOf(channel);
  const served = serve({ control: made.control, ...options });
  running.push(served);
  const get = (query = "channel=c", headers: Record<string, string> = {}, method = "GET") =>
    fetch(urlOf(served.port, query), { method, headers: { ...withKey(), ...headers } });
  return { ...served, reads: made.reads, get };
}

const QUICK = { aliveMs: 20, stalledMs: 60_000 };
const UNAVAILABLE = {
  ok: false,
  code: "broker_unavailable",
  message: "no answer",
  retryMs: 5,
} as const;

describe("a stream of history", () => {
  test("has every publication once, with its id, and an end", async () => {
    const { get, streams } = start({ head: 5 });
    const response = await get();
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "application/x-ndjson",
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
      vary: "Accept",
    });
    const lines = linesOf(await response.text());
    expect(lines.map(({ event, id }) => `${event} ${id}`)).toEqual([
      ...[1, 2, 3, 4, 5].map((at) => `publication e:${at}`),
      "end e:5",
    ]);
    expect(lines[0]?.data).toEqual({ offset: 1, timeMs: 1, data: "x" });
    await until(() => streams.includes("complete history_stream"));
  });

  test("comes as server-sent events if the client asks for them", async () => {
    const { get } = start({ head: 1 });
    const response = await get("channel=c", { accept: "text/event-stream" });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(await response.text()).toBe(
      'event: publication\nid: e:1\ndata: {"offset":1,"timeMs":1,"data":"x"}\n\n' +
        'event: end\nid: e:1\ndata: {"epoch":"e","head":1}\n\n',
    );
  });

  test.each([
    ["the query", "channel=c&after=e:3", {}],
    ["Last-Event-ID", "channel=c", { "last-event-id": "e:3" }],
    ["the query before Last-Event-ID", "channel=c&after=e:3", { "last-event-id": "e:1" }],
  ])("goes on behind the id in %s", async (_where, query, headers) => {
    const lines = linesOf(await (await start({ head: 5 }).get(query, headers)).text());
    expect(lines.map(({ id }) => id)).toEqual(["e:4", "e:5", "e:5"]);
  });

  test("says which publications are no longer kept", async () => {
    const { get } = start({ head: 9, oldest: 8 });
    const lines = linesOf(await (await get("channel=c&after=e:3")).text());
    expect(lines.map(({ event }) => event)).toEqual(["gap", "publication", "publication", "end"]);
    expect(lines[0]?.data).toEqual({ epoch: "e", from: 4, next: 8 });
    expect(linesOf(await (await get()).text())[0]?.event).toBe("publication");
  });

  test("says that everything is gone, and ends at the newest", async () => {
    const { get } = start({ head: 9, oldest: 10 });
    const lines = linesOf(await (await get("channel=c&after=e:3")).text());
    expect(lines.map(({ event, id, data }) => ({ event, id, data }))).toEqual([
      { event: "gap", id: undefined, data: { epoch: "e", from: 4, next: 10 } },
      { event: "end", id: "e:9", data: { epoch: "e", head: 9 } },
    ]);
  });

  test("begins anew, once, in another epoch", async () => {
    const { get } = start({ head: 6, oldest: 5 });
    const lines = linesOf(await (await get("channel=c&after=old:5")).text());
    expect(lines.map(({ event, id }) => `${event} ${id}`)).toEqual([
      "gap undefined",
      "publication e:5",
      "publication e:6",
      "end e:6",
    ]);
    expect(lines[0]?.data).toEqual({ epoch: "e", next: 5 });
  });

  test("holes of class latest are no gaps", async () => {
    const { get } = start({ head: 9, oldest: 8, more: { deliveryClass: "latest" } });
    const lines = linesOf(await (await get("channel=c&after=e:3")).text());
    expect(lines.map(({ event }) => event)).toEqual(["publication", "publication", "end"]);
  });
});

describe("what is refused", () => {
  test.each([
    ["a type that it does not have", "channel=c", { accept: "text/html" }, 406, "not_acceptable"],
    ["no channel", "", {}, 400, "request_invalid"],
    ["a member that it does not know", "channel=c&zebra=1", {}, 400, "request_invalid"],
    ["an id that is none", "channel=c&after=zebra", {}, 400, "request_invalid"],
    ["no key", "channel=c", { authorization: "" }, 401, "unauthorized"],
    [
      "a key without the scope",
      "channel=c",
      { authorization: `Bearer ${keyOf("info")}` },
      403,
      "permission_denied",
    ],
  ])("%s", async (_what, query, headers, status, code) => {
    const { get, reads } = start({ head: 5 });
    const response = await get(query, headers);
    expect({ status: response.status, ...(await response.json()) }).toMatchObject({ status, code });
    expect(reads).toEqual([]);
  });

  test("a broker that does not answer is told before the stream begins", async () => {
    const { get, streams } = start({ head: 5, instead: () => UNAVAILABLE });
    const response = await get();
    expect({ status: response.status, ...(await response.json()) }).toMatchObject({
      status: 503,
      code: "broker_unavailable",
    });
    expect(streams).toEqual([]);
    expect((await get()).status).toBe(503);
  });

  test("HEAD reads nothing", async () => {
    const { get, reads } = start({ head: 5 });
    const response = await get("channel=c", {}, "HEAD");
    expect([response.status, response.headers.get("content-type")]).toEqual([
      200,
      "application/x-ndjson",
    ]);
    expect(reads).toEqual([]);
  });

  test("pages of other origins", async () => {
    const { get } = start({ head: 1 }, { allowedOrigins: ["https://a.example"] });
    const good = await get("channel=c", { origin: "https://a.example" });
    expect(good.headers.get("access-control-allow-origin")).toBe("https://a.example");
    expect(good.headers.get("vary")).toBe("Accept, Origin");
    const bad = await get("channel=c", { origin: "https://b.example" });
    expect(bad.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("what happens in the middle", () => {
  test("a failing broker is told in the last event", async () => {
    const { get, streams } = start({
      head: 9,
      instead: (after) => (after < 4 ? undefined : UNAVAILABLE),
    });
    const last = linesOf(await (await get()).text()).at(-1);
    expect(last).toMatchObject({
      event: "error",
      data: { code: "broker_unavailable", status: 503, retryMs: 5, type: expect.any(String) },
    });
    await until(() => streams.includes("failed history_stream"));
  });

  test("a bug is told without its detail, and logged", async () => {
    const { get, seen } = start({
      head: 9,
      instead: (after) => {
        if (after >= 4) throw new Error("a secret detail");
        return undefined;
      },
    });
    const text = await (await get()).text();
    expect(linesOf(text).at(-1)).toMatchObject({ event: "error", data: { code: "internal" } });
    expect(text).not.toContain("secret");
    expect(seen.map(({ event }) => event)).toEqual(["failed"]);
  });

  test("silence is bridged by signs of life", async () => {
    let silentMs = 0;
    const { get } = start(
      {
        head: 4,
        instead: async (after) => {
          if (after !== 2) return;
          const fromMs = performance.now();
          await Bun.sleep(QUICK.aliveMs * 5);
          silentMs = performance.now() - fromMs;
        },
      },
      { streamTimes: QUICK },
    );
    const events = linesOf(await (await get()).text()).map(({ event }) => event);
    const alive = events.filter((event) => event === "alive").length;
    expect(alive).toBeGreaterThanOrEqual(1);
    // A busy machine sleeps longer than it was asked to.
    expect(alive).toBeLessThanOrEqual(silentMs / QUICK.aliveMs + 1);
    expect(events.filter((event) => event !== "alive")).toEqual([
      ...Array<string>(4).fill("publication"),
      "end",
    ]);
  });

  test("a client that leaves ends the reading at once", async () => {
    const { port, reads, streams } = start({ head: 1e9, text: "x".repeat(1_000) });
    const gone = new AbortController();
    const response = await fetch(urlOf(port, "channel=c"), {
      headers: withKey(),
      signal: gone.signal,
    });
    const reader = response.body?.getReader();
    await reader?.read();
    gone.abort();
    await until(() => streams.includes("left history_stream"));
    const read = reads.length;
    await Bun.sleep(50);
    expect(reads.length - read).toBeLessThanOrEqual(1);
  });

  test("a client that leaves during silence ends the stream as well", async () => {
    const { port, streams } = start({
      head: 9,
      instead: (after) => (after < 4 ? undefined : new Promise<undefined>(() => {})),
    });
    const reader = await stalledReader(port, "channel=c");
    reader.resume();
    await until(() => streams.includes("open history_stream"));
    reader.leave();
    await until(() => streams.includes("left history_stream"));
  });
});

describe("limits", () => {
  const PAGES = 1_000;
  const LARGE = { head: PAGES * 2, text: "x".repeat(60_000) };
  const PAGE_BYTES = 2 * 60_000;

  test("a slow reader is waited for, in bounded memory, through 1,000 pages", async () => {
    const { port, reads, streams, streamed } = start(LARGE);
    const before = process.memoryUsage().rss;
    const reader = await stalledReader(port, "channel=c");
    await until(() => reads.length > 0);
    // What the system's own buffers take, and not a page more.
    let seen = -1;
    await until(async () => {
      const isStill = seen === reads.length;
      seen = reads.length;
      await Bun.sleep(100);
      return isStill;
    });
    expect(reads.length * PAGE_BYTES).toBeLessThan(16 * 1024 * 1024);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
    expect(streams).toEqual(["open history_stream"]);
    reader.resume();
    const text = await reader.closed;
    const offsets = [...text.matchAll(/"id":"e:(\d+)"/g)].map(([, at]) => Number(at));
    expect(offsets).toEqual([...Array.from({ length: LARGE.head }, (_, at) => at + 1), LARGE.head]);
    expect(reads.length).toBe(PAGES);
    expect(streamed.bytes).toBeGreaterThan(PAGES * PAGE_BYTES);
  });

  test("a reader that takes nothing for too long is cut", async () => {
    const { port, streams } = start(LARGE, { streamTimes: { aliveMs: 20, stalledMs: 200 } });
    const reader = await stalledReader(port, "channel=c");
    await until(() => streams.includes("stalled history_stream"));
    reader.resume();
    expect(await reader.closed).not.toContain('"event":"end"');
  });

  test("one caller takes its share, all take what there is, and places come back", async () => {
    const limits = { streamLimits: { streamsMax: 3, shareMax: 2 } };
    const { port, streams } = start(LARGE, limits);
    const open = (key: string) => fetch(urlOf(port, "channel=c"), { headers: withKey(key) });
    const first = [await open("all"), await open("all")];
    const third = await open("all");
    expect({ status: third.status, code: (await third.json()).code }).toEqual({
      status: 429,
      code: "rate_limited",
    });
    // Another key, but the same address.
    expect((await open("history")).status).toBe(429);
    for (const { body } of first) await body?.cancel();
    await until(() => streams.filter((one) => one.startsWith("left")).length === 2);
    expect((await open("history")).status).toBe(200);
  });

  test("a node with all its streams open says when to come back", async () => {
    const { port } = start(LARGE, { streamLimits: { streamsMax: 1, shareMax: 9 } });
    await fetch(urlOf(port, "channel=c"), { headers: withKey() });
    const response = await fetch(urlOf(port, "channel=c"), { headers: withKey() });
    expect(response.headers.get("retry-after")).toBe("1");
    expect({ status: response.status, code: (await response.json()).code }).toEqual({
      status: 503,
      code: "try_later",
    });
  });
});

describe("a drain", () => {
  test("ends streams with a last event that says so, and takes no new ones", async () => {
    let away = false;
    const { get, port, streams } = start(
      { head: 9, instead: (after) => (after < 4 ? undefined : new Promise<undefined>(() => {})) },
      { sendsAway: () => away },
    );
    const reader = await stalledReader(port, "channel=c");
    reader.resume();
    await until(() => streams.includes("open history_stream"));
    away = true;
    const text = await reader.closed;
    expect(text).toContain('"event":"error","data":{"type":"urn:holdfast:problem:draining"');
    expect(streams).toEqual(["open history_stream", "draining history_stream"]);
    expect((await get()).status).toBe(503);
  });

  test("does not wait for a reader that takes nothing", async () => {
    const { api, port, reads, streams } = start({ head: 1e6, text: "x".repeat(60_000) });
    const reader = await stalledReader(port, "channel=c");
    await until(() => reads.length > 10);
    api.endStreams();
    expect(streams).toEqual(["open history_stream", "draining history_stream"]);
    // The connection ends. A reader that had fallen behind may miss the last event: seen on a busy
    // machine, when the runtime closed a body whose last chunk the socket had not taken.
    reader.resume();
    expect(await reader.closed).toStartWith("HTTP/1.1 200 OK");
  });
});
