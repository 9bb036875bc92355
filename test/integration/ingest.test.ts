// Owns: ingest against real nodes: batches, keys, CloudEvents, compression, devices, and senders
// that mean no good.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { HoldfastApi } from "@holdfast/api";
import { SignJWT } from "jose";
import { patience } from "../patience.ts";
import { API_KEY, startNode, type TestNode, type TestNodeOptions, until } from "./start-node.ts";

setDefaultTimeout(patience(30_000));

const SECRET = "a secret for tokens of the tests, long enough";
const PUBLISH_KEY = "ingest-publish-key-0123456789abcdef";
const READ_KEY = "ingest-history-key-0123456789abcdef";
const permissions = { subscribe: "anyone", publish: "token", history: "anyone" } as const;
const contract = {
  channels: {
    "log:{id}": { history: { size: 20_000 }, permissions },
    "state:{id}": { class: "latest", permissions },
  },
} as const;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: TestNodeOptions = {}): Promise<TestNode> {
  const keys = [
    { name: "test", key: API_KEY, scopes: ["*"] },
    { name: "publish", key: PUBLISH_KEY, scopes: ["publish"] },
    { name: "read", key: READ_KEY, scopes: ["history"] },
  ];
  const started = await startNode({
    contract,
    ...options,
    env: {
      HOLDFAST_API_KEYS: JSON.stringify(keys),
      HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
      ...options.env,
    },
  });
  cleanups.push(() => started.node.stop());
  return started;
}

interface Sent {
  readonly query?: string;
  readonly body: string | Uint8Array | ReadableStream;
  readonly type?: string;
  readonly key?: string | null;
  readonly headers?: Record<string, string>;
}

async function send(
  node: TestNode,
  { query = "", body, type, key = PUBLISH_KEY, headers = {} }: Sent,
) {
  const response = await fetch(`${node.httpUrl}/api/v1/ingest${query}`, {
    method: "POST",
    headers: {
      "content-type": type ?? "application/json",
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...headers,
    },
    body: body as string,
  });
  const { status, headers: got } = response;
  return { status, headers: got, json: await response.json() };
}

const kept = async ({ node }: TestNode, channel: string) => {
  const page = await node.control.history(channel, { limit: 1_000, after: 0 } as never);
  return page.ok
    ? page.value.publications.map(({ payload }) =>
        payload.kind === "json" ? payload.text : "bytes",
      )
    : page.code;
};

test("one event is answered when the broker has it, and again with its key it is a duplicate", async () => {
  const node = await start();
  const once = {
    query: "?channel=log:a",
    body: '{"t": 1.50}',
    headers: { "idempotency-key": "k" },
  };
  const first = await send(node, once);
  expect([first.status, first.json]).toMatchObject([
    202,
    { accepted: 1, refused: 0, results: [{ index: 0, offset: 1, duplicate: false }] },
  ]);
  const again = await send(node, { ...once, body: '{"t":2}' });
  expect(again.json.results).toMatchObject([{ offset: 1, duplicate: true }]);
  expect(await kept(node, "log:a")).toEqual(['{"t": 1.50}']);
});

test("a batch of lines goes to many channels, in order; what is refused is named, and only that", async () => {
  const node = await start();
  const lines = Array.from({ length: 300 }, (_, n) => ({ channel: `log:${n % 3}`, data: { n } }));
  const texts = lines.map((line) => JSON.stringify(line));
  texts.splice(10, 0, "{", '{"channel":"nobody","data":1}', '{"channel":"state:a","data":1}');
  const { status, json } = await send(node, {
    body: texts.join("\n"),
    type: "application/x-ndjson",
  });
  expect([status, json.accepted, json.refused, json.results.length]).toEqual([207, 300, 3, 303]);
  expect(
    json.results
      .slice(10, 13)
      .map(({ index, error }: never) => [index, (error as { code: string }).code]),
  ).toEqual([
    [10, "request_invalid"],
    [11, "channel_unknown"],
    [12, "key_required"],
  ]);
  expect(await kept(node, "log:1")).toEqual(
    lines.filter(({ channel }) => channel === "log:1").map(({ data }) => JSON.stringify(data)),
  );
  const short = await send(node, {
    query: "?results=refused",
    body: texts.join("\n"),
    type: "application/x-ndjson",
  });
  expect(short.json.results.map(({ index }: { index: number }) => index)).toEqual([10, 11, 12]);
  const none = await send(node, { body: '[{"channel":"nobody","data":1}]' });
  expect([none.status, none.json.accepted]).toEqual([404, 0]);
});

test("gzip and zstd are undone, and a batch's keys make a repetition harmless", async () => {
  const node = await start();
  const body = JSON.stringify(Array.from({ length: 1_000 }, (_, n) => n));
  for (const [encoding, packed] of [
    ["gzip", gzipSync(body)],
    ["zstd", Bun.zstdCompressSync(body)],
  ] as const) {
    const headers = { "content-encoding": encoding, "idempotency-key": "batch-1" };
    const { status, json } = await send(node, { query: "?channel=log:a", body: packed, headers });
    expect([status, json.accepted]).toEqual([202, 1_000]);
    expect(json.results[999]).toMatchObject({
      index: 999,
      offset: 1_000,
      duplicate: encoding === "zstd",
    });
  }
  expect(await kept(node, "log:a")).toHaveLength(1_000);
});

test("CloudEvents come once by source and id, in every form", async () => {
  const node = await start();
  const event = { specversion: "1.0", id: "7", source: "/sensor", type: "heat", data: { c: 21 } };
  const query = "?channel=log:a";
  const first = await send(node, {
    query,
    body: JSON.stringify(event),
    type: "application/cloudevents+json",
  });
  const batch = await send(node, {
    query,
    body: JSON.stringify([event, { ...event, id: "8" }]),
    type: "application/cloudevents-batch+json",
  });
  const binary = await send(node, {
    query,
    body: '{"c":21}',
    headers: { "ce-specversion": "1.0", "ce-id": "8", "ce-source": "/sensor", "ce-type": "heat" },
  });
  expect(first.json.results).toMatchObject([{ offset: 1, duplicate: false }]);
  expect(batch.json.results).toMatchObject([{ duplicate: true }, { offset: 2, duplicate: false }]);
  expect(binary.json.results).toMatchObject([{ offset: 2, duplicate: true }]);
});

test("a key needs the scope publish; a device's token needs the channel's permission, and is the author", async () => {
  const node = await start();
  const event = { query: "?channel=log:a", body: "1" };
  const token = await new SignJWT({ sub: "device-1", caps: ["log:a=publish"] })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(SECRET));
  expect((await send(node, { ...event, key: READ_KEY })).status).toBe(403);
  expect((await send(node, { ...event, key: null })).status).toBe(401);
  expect((await send(node, { ...event, key: "guess" })).status).toBe(401);
  expect((await send(node, { ...event, key: `${token}x` })).status).toBe(401);
  expect((await send(node, { ...event, key: token })).status).toBe(202);
  const elsewhere = await send(node, { ...event, query: "?channel=log:b", key: token });
  expect([elsewhere.status, elsewhere.json.code]).toEqual([403, "permission_denied"]);
  const history = await node.node.control.history("log:a", { limit: 10 } as never);
  expect(history.ok && history.value.publications[0]?.user).toBe("device-1");
  expect(node.node.info().connections).toBe(1);
});

test("the typed client sends events, and tells what became of each", async () => {
  const node = await start();
  const api = new HoldfastApi(node.httpUrl, { apiKey: PUBLISH_KEY });
  const { accepted, refused, results } = await api.ingest([
    { channel: "log:a", data: { x: 1 } },
    { channel: "state:a", data: new Uint8Array([1, 2]), key: "k" },
    { channel: "nobody", data: 1 },
  ]);
  expect([accepted, refused, results[2]?.error?.code]).toEqual([2, 1, "channel_unknown"]);
});

const bad: [string, Sent, number, string][] = [
  [
    "another type",
    { body: "a=1", type: "application/x-www-form-urlencoded" },
    415,
    "unsupported_media_type",
  ],
  [
    "another charset",
    { body: "1", type: "application/json; charset=utf-16" },
    415,
    "unsupported_media_type",
  ],
  [
    "an unknown encoding",
    { body: "1", headers: { "content-encoding": "br" } },
    415,
    "unsupported_media_type",
  ],
  [
    "gzip that is none",
    { body: "hello", headers: { "content-encoding": "gzip" } },
    400,
    "request_invalid",
  ],
  [
    "gzip that is cut",
    { body: gzipSync("[1,2,3]").subarray(0, 15), headers: { "content-encoding": "gzip" } },
    400,
    "request_invalid",
  ],
  [
    "zstd that is cut",
    {
      body: Bun.zstdCompressSync(Buffer.alloc(9_000, "abc")).subarray(0, -3),
      headers: { "content-encoding": "zstd" },
    },
    400,
    "request_invalid",
  ],
  [
    "a bomb",
    { body: gzipSync(Buffer.alloc(30_000_000)), headers: { "content-encoding": "gzip" } },
    413,
    "payload_too_large",
  ],
  ["a huge body", { body: Buffer.alloc(2_000_000, "1") }, 413, "payload_too_large"],
  ["too many events", { body: `[${Array(1_001).fill("1").join(",")}]` }, 413, "payload_too_large"],
  ["no UTF-8", { body: new Uint8Array([0x22, 0xff, 0x22]) }, 400, "request_invalid"],
  ["nothing", { body: "" }, 400, "request_invalid"],
  ["an unknown member in the query", { query: "&token=x", body: "1" }, 400, "request_invalid"],
  [
    "a channel that is too long",
    { query: `&key=${"k".repeat(129)}`, body: "1" },
    400,
    "request_invalid",
  ],
  [
    "a line over the limit of data",
    { body: JSON.stringify("x".repeat(70_000)) },
    413,
    "payload_too_large",
  ],
];
test("bodies that no sender should send are refused, each with its code", async () => {
  const node = await start({
    env: { HOLDFAST_INGEST_BODY_BYTES_MAX: "1000000", HOLDFAST_INGEST_EVENTS_MAX: "1000" },
  });
  for (const [what, sent, status, code] of bad) {
    const answer = await send(node, { ...sent, query: `?channel=log:a${sent.query ?? ""}` });
    expect([what, answer.status, answer.json.code]).toEqual([what, status, code]);
  }
  expect(await kept(node, "log:a")).toEqual([]);
  const metrics = await (await fetch(`${node.internalUrl}/metrics`)).text();
  expect(metrics).toContain('holdfast_ingest_refused_total{code="payload_too_large"}');
  expect(metrics).toContain("holdfast_ingest_held_bytes 0");
  expect(node.bugs).toEqual([]);
});

test("a slow body ends in time, and what a sender may hold is bounded", async () => {
  const node = await start({
    env: { HOLDFAST_INGEST_BODY_TIMEOUT_MS: "300", HOLDFAST_INGEST_BYTES_IN_FLIGHT_MAX: "200000" },
  });
  const socket = connect(Number(new URL(node.httpUrl).port), "127.0.0.1");
  cleanups.push(() => socket.destroy());
  let text = "";
  socket.on("data", (data) => {
    text += data;
  });
  socket.on("error", () => {});
  const head = `POST /api/v1/ingest?channel=log:a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${PUBLISH_KEY}\r\n`;
  socket.write(`${head}content-type: application/json\r\ncontent-length: 1000\r\n\r\n[1`);
  await until("it is answered", () => text.startsWith("HTTP/1.1 408"));
  const large = await send(node, { query: "?channel=log:a", body: Buffer.alloc(150_000, " ") });
  expect([large.status, large.json.code, large.headers.get("retry-after")]).toEqual([
    503,
    "try_later",
    "1",
  ]);
  expect((await send(node, { query: "?channel=log:a", body: "1" })).status).toBe(202);
});

test("who sends more than there is gets 429 with a time, and others do not", async () => {
  const node = await start({ env: { HOLDFAST_INGEST_EVENTS_PER_SECOND_MAX: "50" } });
  const events = JSON.stringify(Array(900).fill(1));
  const flood = () =>
    send(node, { query: "?channel=log:a&results=refused", body: events, key: API_KEY });
  let refused = await flood();
  for (let tries = 0; refused.status !== 429 && tries < 50; tries++) refused = await flood();
  expect([refused.status, refused.json.code]).toEqual([429, "rate_limited"]);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
});
