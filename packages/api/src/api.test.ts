import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { loadConfig } from "@holdfast/config";
import { defineContract } from "@holdfast/contract";
import { createLogger, createNode, type HoldfastNode, openApiDocument } from "@holdfast/server";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { z } from "zod";
import { HoldfastApi, HoldfastApiError } from "./index.ts";
import { OPERATIONS } from "./operations.ts";

const KEY = "api-package-test-key-0123456789abcdef";
const contract = defineContract({
  channels: {
    "chat:{room}": { payload: z.object({ text: z.string() }), presence: true },
    bytes: {},
    "state:{id}": { class: "latest", payload: z.object({ n: z.number() }) },
  },
  rpc: {
    sum: {
      input: z.object({ a: z.number(), b: z.number() }),
      output: z.number(),
      allow: "anyone",
      handler: ({ a, b }) => a + b,
    },
  },
});

let node: HoldfastNode;
let url = "";

beforeAll(async () => {
  const loaded = loadConfig(NODE_OPTIONS, {
    defaults: { host: "127.0.0.1", port: 0, internalHost: "127.0.0.1", internalPort: 0 },
    env: { HOLDFAST_API_KEYS: JSON.stringify([{ name: "test", key: KEY, scopes: ["*"] }]) },
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const logger = createLogger({ level: "error", sink: (line) => console.error(line) });
  node = await createNode({ config: loaded.config, contract, logger, version: "test" });
  await node.start();
  url = `http://127.0.0.1:${node.port}`;
});
afterAll(() => node.stop());

const connect = (options: Partial<ConstructorParameters<typeof HoldfastApi>[1]> = {}) =>
  new HoldfastApi<typeof contract>(url, { apiKey: KEY, totalMs: 5_000, ...options });

async function refusal(promise: Promise<unknown>): Promise<HoldfastApiError> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(HoldfastApiError);
  return error as HoldfastApiError;
}

describe("against a real node", () => {
  test("what is published is in the history, with its author", async () => {
    const api = connect();
    const { offset } = await api.publish("chat:one", { text: "a" }, { user: "shop" });
    const { publications } = await api.history("chat:one", { limit: 1 });
    expect(publications).toMatchObject([{ offset, data: { text: "a" }, user: "shop" }]);
  });

  test("bytes come back as bytes", async () => {
    const api = connect();
    const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => at % 251);
    await api.publish("bytes", bytes.subarray(0, 50_000));
    const { publications } = await api.history("bytes");
    expect(publications[0]?.data).toEqual(bytes.slice(0, 50_000));
  });

  test("a broadcast says what became of each channel", async () => {
    const results = await connect().broadcast(["chat:x", "nowhere:x" as "chat:x"], { text: "b" });
    expect(results.map(({ error }) => error?.code)).toEqual([undefined, "channel_unknown"]);
  });

  test("a batch carries commands out in their order", async () => {
    const results = await connect().batch([
      { op: "publish", channel: "chat:batch", data: { text: "1" } },
      { op: "publish", channel: "chat:batch", data: { txt: "2" } },
      { op: "history", channel: "chat:batch" },
    ]);
    expect(results.map(({ ok }) => ok)).toEqual([true, false, true]);
  });

  test("an RPC answers, and its faults are told", async () => {
    expect(await connect().rpc("sum", { a: 2, b: 3 })).toBe(5);
    expect(
      await refusal(connect().rpc("sum", { a: "2" as unknown as number, b: 3 })),
    ).toMatchObject({
      code: "payload_invalid",
      path: "a",
    });
  });

  test("the other operations answer", async () => {
    const api = connect();
    await api.publish("chat:names", { text: "x" });
    expect(await api.presence("chat:names")).toEqual([]);
    expect((await api.sessions({ user: "nobody" })).sessions).toEqual([]);
    expect((await api.channels({ prefix: "chat:n" })).channels).toEqual(["chat:names"]);
    expect((await api.info()).state).toBe("ready");
    expect(await api.nodes()).toHaveLength(1);
    await api.disconnect({ user: "nobody" });
    await api.unsubscribe({ user: "nobody", channel: "chat:names" });
    expect((await api.removeHistory("chat:names")).offset).toBe(1);
    expect(await api.undrain()).toEqual({ undone: false });
  });

  test("a refusal has code, path, status and the request's id", async () => {
    const error = await refusal(
      connect().publish("chat:one", { txt: 1 } as unknown as { text: string }),
    );
    expect(error).toMatchObject({
      code: "payload_invalid",
      path: "text",
      status: 422,
      attempts: 1,
    });
    expect(error.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(error.message).toStartWith("Cannot publish: payload_invalid: ");
  });

  test("a wrong key is told, once", async () => {
    const error = await refusal(connect({ apiKey: "wrong" }).info());
    expect(error).toMatchObject({ code: "unauthorized", status: 401, attempts: 1 });
  });
});

test("every operation of the node has a method", () => {
  const { paths } = openApiDocument() as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const named = Object.values(paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );
  expect(Object.keys(OPERATIONS).sort()).toEqual(named.filter((name) => name !== "openapi").sort());
  const source = ["./api.ts", "./history-stream.ts"]
    .map((file) => require("node:fs").readFileSync(new URL(file, import.meta.url), "utf8"))
    .join("");
  for (const name of Object.keys(OPERATIONS)) expect(source).toContain(`"${name}"`);
});

type Answering = (attempt: number, request: Request) => Response | Promise<Response>;

/** A client of a server that answers each attempt as it is told, and what it was sent. */
function scripted(answer: Answering, options: { timeoutMs?: number; totalMs?: number } = {}) {
  const sent: { readonly key: string | null; readonly atMs: number }[] = [];
  const fetch = (async (to: string, init: RequestInit) => {
    const request = new Request(to, init);
    sent.push({ key: request.headers.get("idempotency-key"), atMs: performance.now() });
    return answer(sent.length, request);
  }) as typeof globalThis.fetch;
  const api = new HoldfastApi("http://node.test", {
    apiKey: KEY,
    totalMs: 3_000,
    ...options,
    fetch,
  });
  return { api, sent };
}

const done = Response.json.bind(Response, { epoch: "e", offset: 7, duplicate: false });
const problem = (code: string, status: number, more: object = {}): Response =>
  new Response(JSON.stringify({ code, detail: "no", ...more }), {
    status,
    headers: { "content-type": "application/problem+json" },
  });
const broken = (): Response => {
  throw new TypeError("fetch failed", { cause: new Error("ECONNRESET") });
};

describe("repetitions", () => {
  test("a publish without an answer is sent again, with the same key", async () => {
    const { api, sent } = scripted((attempt) => (attempt < 3 ? broken() : done()));
    expect(await api.publish("a", 1)).toMatchObject({ offset: 7 });
    expect(sent).toHaveLength(3);
    expect(sent[0]?.key).toMatch(/.{36}/);
    expect(new Set(sent.map(({ key }) => key)).size).toBe(1);
  });

  test("two publishes have two keys, and a given key is kept", async () => {
    const { api, sent } = scripted(() => done());
    await api.publish("a", 1);
    await api.publish("a", 1);
    await api.publish("a", 1, { idempotencyKey: "mine" });
    expect(new Set(sent.map(({ key }) => key)).size).toBe(3);
    expect(sent[2]?.key).toBe("mine");
  });

  test("the node's wish is kept: not before retryMs", async () => {
    const { api, sent } = scripted((attempt) =>
      attempt === 1 ? problem("try_later", 503, { retryMs: 400 }) : done(),
    );
    await api.publish("a", 1);
    expect((sent[1]?.atMs ?? 0) - (sent[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(395);
  });

  test.each<readonly [string, () => Response, number]>([
    ["try_later", () => problem("try_later", 503), 2],
    ["rate_limited", () => problem("rate_limited", 429), 2],
    ["broker_unavailable", () => problem("broker_unavailable", 503), 2],
    ["a proxy's 502", () => new Response("<html>", { status: 502 }), 2],
    ["payload_invalid", () => problem("payload_invalid", 422), 1],
    ["unauthorized", () => problem("unauthorized", 401), 1],
    ["a proxy's 404", () => new Response("<html>", { status: 404 }), 1],
    ["a redirection", () => new Response(null, { status: 308, headers: { location: "/x" } }), 1],
  ])("after %s a publish is sent as often as it should", async (_name, first, times) => {
    const { api, sent } = scripted((attempt) => (attempt === 1 ? first() : done()));
    await api.publish("a", 1).catch(() => {});
    expect(sent).toHaveLength(times);
  });

  test("an RPC without an answer is not sent again unless it is allowed", async () => {
    const script = () =>
      scripted((attempt) => (attempt === 1 ? broken() : Response.json({ data: 1 })));
    const careful = script();
    expect(await refusal(careful.api.rpc("x", 1))).toMatchObject({ code: "unreachable" });
    expect(careful.sent).toHaveLength(1);
    const allowed = script();
    expect(await allowed.api.rpc("x", 1, { retry: true })).toBe(1);
    expect(allowed.sent).toHaveLength(2);
  });

  test("an RPC that the node refused untouched is sent again", async () => {
    const { api, sent } = scripted((attempt) =>
      attempt === 1 ? problem("try_later", 503) : Response.json({ data: 1 }),
    );
    expect(await api.rpc("x", 1)).toBe(1);
    expect(sent).toHaveLength(2);
  });

  test.each([
    ["publish", 2],
    ["rpc", 1],
    ["history_remove", 1],
  ] as const)("a batch with %s and without an answer is sent %i times", async (op, times) => {
    const { api, sent } = scripted((attempt) =>
      attempt === 1 ? broken() : Response.json({ results: [] }),
    );
    const command = {
      publish: { channel: "a", data: 1 },
      rpc: { method: "a" },
      history_remove: { channel: "a" },
    }[op];
    await api.batch([{ op, ...command } as never]).catch(() => {});
    expect(sent).toHaveLength(times);
  });

  test("attempts end with totalMs, and the error says how many there were", async () => {
    const { api, sent } = scripted(broken, { totalMs: 700 });
    const error = await refusal(api.publish("a", 1));
    expect(error).toMatchObject({ code: "unreachable", attempts: sent.length });
    expect(error.message).toContain("ECONNRESET");
    expect(sent.length).toBeGreaterThan(1);
    expect(sent.length).toBeLessThan(8);
  });

  test("totalMs 0 is one attempt", async () => {
    const { api, sent } = scripted(broken, { totalMs: 0 });
    await refusal(api.publish("a", 1));
    expect(sent).toHaveLength(1);
  });
});

describe("a stream of history", () => {
  const collect = async <T>(stream: AsyncIterable<T>): Promise<T[]> => {
    const all: T[] = [];
    for await (const one of stream) all.push(one);
    return all;
  };

  test("has everything that is kept, and another goes on behind an id", async () => {
    const api = connect();
    for (const text of ["a", "b", "c"]) await api.publish("chat:stream", { text });
    const all = await collect(api.historyStream("chat:stream"));
    expect(all.map(({ data, offset }) => [data.text, offset])).toEqual([
      ["a", 1],
      ["b", 2],
      ["c", 3],
    ]);
    const rest = await collect(api.historyStream("chat:stream", { after: all[1]?.id ?? "" }));
    expect(rest.map(({ data }) => data.text)).toEqual(["c"]);
  });

  const line = (value: object) => `${JSON.stringify(value)}\n`;
  const pub = (at: number) =>
    line({ event: "publication", id: `e:${at}`, data: { offset: at, timeMs: 1, data: at } });
  const END = line({ event: "end", id: "e:9", data: { epoch: "e", head: 9 } });
  const DRAINING = line({
    event: "error",
    data: { code: "draining", detail: "bye", status: 503, retryMs: 1 },
  });

  /** Answers each request with the next text, and keeps what was asked for. */
  function scripted(...texts: readonly string[]) {
    const asked: (string | null)[] = [];
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => {
        asked.push(new URL(request.url).searchParams.get("after"));
        return new Response(texts[asked.length - 1] ?? texts.at(-1), {
          headers: { "content-type": "application/x-ndjson" },
        });
      },
    });
    const api = new HoldfastApi(`http://127.0.0.1:${server.port}`, { apiKey: KEY });
    return { api, asked, [Symbol.dispose]: () => void server.stop(true) };
  }

  test.each([
    ["a drain", DRAINING],
    ["a connection that breaks", ""],
    ["half a line", '{"event":"publication","id":"e:3"'],
  ])("goes on behind %s, without a publication twice", async (_what, cut) => {
    using server = scripted(pub(1) + line({ event: "alive" }) + pub(2) + cut, pub(3) + END);
    const all = await collect(server.api.historyStream("c"));
    expect(all.map(({ data }) => data)).toEqual([1, 2, 3]);
    expect(server.asked).toEqual([null, "e:2"]);
  });

  test("a gap is thrown, or told to whoever wants to know", async () => {
    const gap = { epoch: "e", from: 1, next: 5 };
    using server = scripted(line({ event: "gap", data: gap }) + pub(5) + END);
    expect(await refusal(collect(server.api.historyStream("c")))).toMatchObject({
      code: "history_gap",
    });
    const told: unknown[] = [];
    const onGap = (found: unknown) => void told.push(found);
    expect(await collect(server.api.historyStream("c", { onGap }))).toHaveLength(1);
    expect(told).toEqual([gap]);
  });

  test("an error that does not pass is thrown at once", async () => {
    using server = scripted(pub(1) + line({ event: "error", data: { code: "history_disabled" } }));
    expect(await refusal(collect(server.api.historyStream("c")))).toMatchObject({
      code: "history_disabled",
    });
    expect(server.asked).toHaveLength(1);
    expect(await refusal(collect(connect().historyStream("nowhere" as "chat:x")))).toMatchObject({
      code: "channel_unknown",
      status: 404,
    });
  });

  test("whoever leaves the loop or gives up ends the request", async () => {
    using server = scripted(pub(1) + pub(2) + END);
    for await (const { data } of server.api.historyStream("c")) {
      expect(data).toBe(1);
      break;
    }
    const stop = AbortSignal.abort();
    expect(await refusal(collect(server.api.historyStream("c", { signal: stop })))).toMatchObject({
      code: "aborted",
    });
  });
});

describe("limits of time", () => {
  const never = (_attempt: number, request: Request): Promise<Response> =>
    new Promise((_resolve, reject) =>
      request.signal.addEventListener("abort", () => reject(request.signal.reason)),
    );

  test("an attempt without an answer ends with timeout", async () => {
    const { api, sent } = scripted(never, { timeoutMs: 50, totalMs: 0 });
    expect(await refusal(api.publish("a", 1))).toMatchObject({ code: "timeout", attempts: 1 });
    expect(sent).toHaveLength(1);
  });

  test("the caller's signal ends an attempt and a wait", async () => {
    const { api } = scripted(never);
    expect(await refusal(api.publish("a", 1, { signal: AbortSignal.timeout(50) }))).toMatchObject({
      code: "aborted",
    });
    const waiting = scripted(() => problem("try_later", 503, { retryMs: 2_000 }));
    const error = await refusal(waiting.api.publish("a", 1, { signal: AbortSignal.timeout(50) }));
    expect(error).toMatchObject({ code: "aborted", attempts: 1 });
    expect(error.cause).toMatchObject({ code: "try_later" });
  });

  test("an answer that breaks off counts as none", async () => {
    const { api, sent } = scripted((attempt) => {
      if (attempt > 1) return done();
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('{"epoch":'));
          controller.error(new Error("reset"));
        },
      });
      return new Response(body, { headers: { "content-type": "application/json" } });
    });
    expect(await api.publish("a", 1)).toMatchObject({ offset: 7 });
    expect(sent).toHaveLength(2);
  });
});

describe("what cannot be used is refused before anything is sent", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  test.each<readonly [string, unknown, string]>([
    ["a Date", { at: new Date() }, "data.at"],
    ["NaN", [1, Number.NaN], "data[1]"],
    ["Infinity", Number.POSITIVE_INFINITY, "data"],
    ["a Map", { a: { b: new Map() } }, "data.a.b"],
    ["nested bytes", { a: new Uint8Array(2) }, "data.a"],
    ["a bigint", { a: 1n }, "data.a"],
    ["undefined in an array", [undefined], "data[0]"],
    ["nothing", undefined, "data"],
    ["a lone surrogate", { a: "\ud800" }, "data.a"],
    ["a cycle", cycle, "data[0]"],
  ])("%s", async (_name, data, path) => {
    const { api, sent } = scripted(() => done());
    const error = await refusal(api.publish("a", data));
    expect(error.code).toBe("payload_invalid");
    expect(error.path).toStartWith(path);
    expect(sent).toHaveLength(0);
  });

  test.each<readonly [string, () => unknown]>([
    ["no key", () => new HoldfastApi("http://a", { apiKey: "" })],
    ["a key with a line feed", () => new HoldfastApi("http://a", { apiKey: "a\nb" })],
    ["a WebSocket's url", () => new HoldfastApi("ws://a", { apiKey: KEY })],
    ["no url", () => new HoldfastApi("a", { apiKey: KEY })],
    ["a url with a query", () => new HoldfastApi("http://a?b", { apiKey: KEY })],
    ["no time", () => new HoldfastApi("http://a", { apiKey: KEY, timeoutMs: 0 })],
  ])("%s", (_name, make) => {
    expect(make).toThrow(HoldfastApiError);
    expect(make).toThrow(/^Cannot use the HTTP API: found .+, expected /);
  });
});

test("a path before the API is kept", async () => {
  const seen: string[] = [];
  const fetch = (async (to: string) => {
    seen.push(to);
    return Response.json({ members: [] });
  }) as unknown as typeof globalThis.fetch;
  await new HoldfastApi("https://a.test/rt/", { apiKey: KEY, fetch }).presence("a b");
  expect(seen).toEqual(["https://a.test/rt/api/v1/presence?channel=a+b"]);
});
