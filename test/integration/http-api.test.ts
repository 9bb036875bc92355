// Owns: every operation of the HTTP API against a real node, with real clients on the other side.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { loadConfig } from "@holdfast/config";
import { createLogger, createNode, defineContract, type HoldfastNode, rpc } from "@holdfast/server";
import { type Config, NODE_OPTIONS } from "@holdfast/server/options";
import { SignJWT } from "jose";
import { z } from "zod";
import { patience } from "../patience.ts";

const SECRET = "the secret that signs tokens in this test";
const API_KEY = "a key that may do everything, long enough";
const READ_KEY = "a key that may only read, also long enough";

const contract = defineContract({
  channels: {
    "chat:{room}": {
      payload: z.object({ text: z.string().max(50) }),
      presence: true,
      history: { size: 100 },
      permissions: {
        subscribe: "anyone",
        publish: "anyone",
        presence: "anyone",
        history: "anyone",
      },
    },
    "raw:{name}": {
      history: { size: 5 },
      permissions: { subscribe: "anyone", publish: "anyone", history: "anyone" },
    },
    "state:{name}": { class: "latest" },
    "cursor:{name}": { class: "volatile" },
  },
  rpc: {
    sum: rpc({
      input: z.object({ a: z.number(), b: z.number() }),
      output: z.number(),
      allow: "anyone",
      handler: ({ a, b }) => a + b,
    }),
    fails: rpc({
      allow: "anyone",
      handler: () => {
        throw new Error("a detail that nobody outside may see");
      },
    }),
  },
});

/** One more than the node's limit for data. */
const BYTES = Buffer.alloc(4_097).toString("base64");

let node: HoldfastNode;
const lines: string[] = [];

beforeAll(async () => {
  const loaded = loadConfig(NODE_OPTIONS, {
    flags: {
      host: "127.0.0.1",
      port: 0,
      internalHost: "127.0.0.1",
      internalPort: 0,
      "auth.jwt.hmacSecret": SECRET,
      "auth.anonymous": true,
      "limits.dataBytesMax": 4_096,
      apiKeys: [
        { name: "all", key: API_KEY, scopes: ["*"] },
        { name: "reader", key: READ_KEY, scopes: ["history", "info"] },
      ],
    },
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const config: Config = loaded.config;
  node = await createNode({
    config,
    contract,
    version: "test",
    logger: createLogger({ sink: (line) => lines.push(line), level: "debug" }),
  });
  await node.start();
});
afterAll(async () => {
  for (const client of clients) client.close();
  await node.stop();
});

describe("publishing", () => {
  test("a publication reaches subscribers, with its author, and history keeps it", async () => {
    const client = await open();
    await client.subscribe("chat:lobby");
    const { status, json } = await post("publish", {
      channel: "chat:lobby",
      data: { text: "hi" },
      user: "robot",
    });
    expect(status).toBe(200);
    expect(json).toEqual({ epoch: expect.any(String), offset: 1, duplicate: false });
    expect(await client.next("pub")).toMatchObject({
      ch: "chat:lobby",
      o: 1,
      u: "robot",
      d: { text: "hi" },
    });
    const kept = await get("history", { channel: "chat:lobby" });
    expect(kept.json).toMatchObject({
      epoch: json.epoch,
      head: 1,
      more: false,
      publications: [{ offset: 1, user: "robot", data: { text: "hi" } }],
    });
  });

  test("bytes come as bytes", async () => {
    const client = await open();
    await client.subscribe("raw:bytes");
    expect((await post("publish", { channel: "raw:bytes", b: "AAECAw==" })).status).toBe(200);
    expect(await client.next("pub")).toMatchObject({ b: "AAECAw==" });
    expect((await get("history", { channel: "raw:bytes" })).json.publications).toMatchObject([
      { b: "AAECAw==" },
    ]);
  });

  test.each([
    [null],
    [0],
    [""],
    [false],
    [[]],
    [{}],
    [{ é: "ü\n\u2028" }],
    [[[["deep"]]]],
    [1.5e300],
  ] as unknown[][])("data %j passes unchanged", async (data) => {
    const channel = `raw:${crypto.randomUUID()}`;
    await post("publish", { channel, data });
    expect((await get("history", { channel })).json.publications[0].data).toEqual(data);
  });

  test("__proto__ in data is refused and changes nothing here", async () => {
    const answer = await post("publish", '{"channel":"raw:proto","data":{"__proto__":{"x":1}}}');
    expect([answer.status, answer.json.path]).toEqual([422, "data.__proto__"]);
    expect((await get("history", { channel: "raw:proto" })).json.publications).toEqual([]);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  test("the same idempotency key publishes once, in the header or the body", async () => {
    const body = { channel: "raw:once", data: 1 };
    const first = await post("publish", body, { headers: { "idempotency-key": "once" } });
    const again = await post("publish", { ...body, data: 2, idempotencyKey: "once" });
    expect(again.json).toEqual({ ...first.json, duplicate: true });
    expect((await get("history", { channel: "raw:once" })).json.publications.length).toBe(1);
  });

  test("a key in a latest channel replaces what was under it", async () => {
    for (const [key, data] of [
      ["a", 1],
      ["b", 1],
      ["a", 2],
    ])
      await post("publish", { channel: "state:x", key, data });
    const { publications } = (await get("history", { channel: "state:x" })).json;
    expect(publications.map(({ key, data }: { key: string; data: number }) => [key, data])).toEqual(
      [
        ["b", 1],
        ["a", 2],
      ],
    );
  });

  test("a broadcast answers for each channel in its place", async () => {
    const { status, json } = await post("broadcast", {
      channels: ["chat:1", "nowhere:1", "raw:1"],
      data: { text: "all" },
    });
    expect(status).toBe(200);
    expect(json.results).toMatchObject([
      { channel: "chat:1", published: { offset: 1 } },
      { channel: "nowhere:1", error: { code: "channel_unknown" } },
      { channel: "raw:1", published: { offset: 1 } },
    ]);
  });

  test("a batch carries its commands out in order", async () => {
    const { json } = await post("batch", {
      commands: [
        ...[1, 2, 3].map((data) => ({ op: "publish", channel: "raw:batch", data })),
        { op: "history", channel: "raw:batch" },
        { op: "rpc", method: "sum", data: { a: 1, b: 2 } },
        { op: "history_remove", channel: "raw:batch" },
        { op: "history", channel: "raw:batch" },
      ],
    });
    expect(json.results.map(({ ok }: { ok: boolean }) => ok)).toEqual(Array(7).fill(true));
    expect(json.results[3].value.publications.map(({ data }: { data: number }) => data)).toEqual([
      1, 2, 3,
    ]);
    expect(json.results[4].value).toEqual({ data: 3 });
    expect(json.results[6].value.publications).toEqual([]);
  });
});

describe("refusals", () => {
  const bad: [string, string, Record<string, unknown>, number, string, string][] = [
    [
      "a publish to no channel of the contract",
      "publish",
      { channel: "nowhere", data: 1 },
      404,
      "channel_unknown",
      "",
    ],
    [
      "a control character in a name",
      "publish",
      { channel: "chat:\u0000", data: { text: "" } },
      400,
      "channel_invalid",
      "",
    ],
    [
      "data of another type than the schema's",
      "publish",
      { channel: "chat:lobby", data: { text: 5 } },
      422,
      "payload_invalid",
      "text",
    ],
    [
      "data over the schema's bound",
      "publish",
      { channel: "chat:lobby", data: { text: "x".repeat(51) } },
      422,
      "payload_invalid",
      "text",
    ],
    [
      "null where the schema wants an object",
      "publish",
      { channel: "chat:lobby", data: null },
      422,
      "payload_invalid",
      "",
    ],
    [
      "data over the node's limit",
      "publish",
      { channel: "raw:x", data: "x".repeat(4_096) },
      413,
      "payload_too_large",
      "",
    ],
    [
      "bytes over the node's limit",
      "publish",
      { channel: "raw:x", b: BYTES },
      413,
      "payload_too_large",
      "",
    ],
    [
      "no key for a latest channel",
      "publish",
      { channel: "state:x", data: 1 },
      400,
      "key_required",
      "",
    ],
    [
      "removal where nothing is kept",
      "history_remove",
      { channel: "cursor:x" },
      409,
      "history_disabled",
      "",
    ],
    ["an unknown RPC", "rpc", { method: "nothing" }, 404, "rpc_unknown", ""],
    ["an RPC's wrong input", "rpc", { method: "sum", data: { a: 1 } }, 422, "payload_invalid", "b"],
    ["an RPC that throws", "rpc", { method: "fails" }, 500, "rpc_failed", ""],
    ["a disconnect of nobody", "disconnect", {}, 400, "request_invalid", ""],
    ["a disconnect of both", "disconnect", { user: "u", session: "s" }, 400, "request_invalid", ""],
    [
      "an unsubscribe from no channel",
      "unsubscribe",
      { user: "u", channel: "nowhere" },
      404,
      "channel_unknown",
      "",
    ],
    ["a drain into the past", "drain", { windowMs: -1 }, 400, "request_invalid", "windowMs"],
  ];
  test.each(bad)("%s is refused", async (_what, operation, body, status, code, path) => {
    const answer = await post(operation, body);
    expect({ status: answer.status, code: answer.json.code }).toEqual({ status, code });
    expect(answer.json.path ?? "").toContain(path);
    expect(answer.text).not.toContain("nobody outside");
  });

  test.each([
    ["history", { channel: "cursor:x" }, 409, "history_disabled"],
    ["history", { channel: "nowhere" }, 404, "channel_unknown"],
    ["presence", { channel: "raw:x" }, 409, "presence_disabled"],
  ] as const)("%s %j is %d %s", async (operation, query, status, code) => {
    const answer = await get(operation, query);
    expect({ status: answer.status, code: answer.json.code }).toEqual({ status, code });
  });

  test("a key does what its scopes say and nothing else", async () => {
    const reader = { headers: { authorization: `Bearer ${READ_KEY}` } };
    expect((await get("history", { channel: "chat:lobby" }, reader)).status).toBe(200);
    expect((await get("sessions", {}, reader)).status).toBe(403);
    expect((await post("publish", { channel: "raw:x", data: 1 }, reader)).status).toBe(403);
    expect(
      (await post("publish", { channel: "raw:x", data: 1 }, { headers: { authorization: "" } }))
        .status,
    ).toBe(401);
  });

  test("a token of a client is no API key", async () => {
    expect(
      (await get("info", {}, { headers: { authorization: `Bearer ${await tokenOf("ada")}` } }))
        .status,
    ).toBe(401);
  });
});

describe("history", () => {
  test("pages backwards until nothing older is kept", async () => {
    for (let data = 1; data <= 7; data++) await post("publish", { channel: "raw:pages", data });
    const first = (await get("history", { channel: "raw:pages", limit: "3" })).json;
    expect(first).toMatchObject({
      head: 7,
      more: true,
      publications: [{ offset: 5 }, { offset: 6 }, { offset: 7 }],
    });
    const second = (await get("history", { channel: "raw:pages", limit: "3", before: "5" })).json;
    expect(second).toMatchObject({ more: false, publications: [{ offset: 3 }, { offset: 4 }] });
  });

  test("removed is gone, and who comes back from before is told a gap", async () => {
    for (let data = 1; data <= 3; data++) await post("publish", { channel: "raw:removed", data });
    const { epoch } = (await get("history", { channel: "raw:removed" })).json;
    expect((await post("history_remove", { channel: "raw:removed" })).json).toEqual({
      epoch,
      offset: 3,
    });
    expect((await get("history", { channel: "raw:removed" })).json.publications).toEqual([]);
    const client = await open();
    client.send({ t: "subscribe", id: 9, ch: "raw:removed", pos: { epoch, offset: 1 } });
    expect(await client.next("subscribed")).toMatchObject({ recovered: false });
    expect(await client.next("gap")).toMatchObject({ from: 2, to: 3, reason: "history" });
    expect((await post("publish", { channel: "raw:removed", data: 4 })).json.offset).toBe(4);
  });
});

describe("clients", () => {
  test("presence lists members with their data", async () => {
    const client = await open({ token: await tokenOf("ada") });
    client.send({ t: "enter", id: 5, ch: "chat:members", d: { name: "Ada" } });
    await client.next("ok");
    expect((await get("presence", { channel: "chat:members" })).json).toEqual({
      members: [{ session: client.session, user: "ada", data: { name: "Ada" } }],
    });
  });

  test("channels come in pages, by name", async () => {
    for (const name of ["a", "b", "c", "d", "e"])
      await post("publish", { channel: `raw:page-${name}`, data: 1 });
    const first = (await get("channels", { prefix: "raw:page-", limit: "3" })).json;
    expect(first).toEqual({
      channels: ["raw:page-a", "raw:page-b", "raw:page-c"],
      next: "raw:page-c",
    });
    const second = (await get("channels", { prefix: "raw:page-", limit: "3", after: first.next }))
      .json;
    expect(second).toEqual({ channels: ["raw:page-d", "raw:page-e"] });
  });

  test("sessions come in pages, and those of a user alone", async () => {
    const opened = await Promise.all(
      [1, 2, 3].map(async () => open({ token: await tokenOf("bob") })),
    );
    await opened[0]?.subscribe("chat:lobby");
    const found: string[] = [];
    let after: string | undefined;
    do {
      const { json } = await get("sessions", {
        user: "bob",
        limit: "1",
        ...(after === undefined ? {} : { after }),
      });
      found.push(...json.sessions.map(({ session }: { session: string }) => session));
      after = json.next;
    } while (after !== undefined && found.length < 10);
    expect(found).toEqual(opened.map(({ session }) => session).sort());
    const { json } = await get("sessions", { user: "bob" });
    const subscribed = json.sessions.find(
      ({ session }: { session: string }) => session === opened[0]?.session,
    );
    expect(subscribed).toMatchObject({
      user: "bob",
      address: "127.0.0.1",
      codec: "json",
      channelCount: 1,
      channels: ["chat:lobby"],
    });
  });

  test("unsubscribe ends a user's subscription and leaves the session", async () => {
    const client = await open({ token: await tokenOf("cleo") });
    await client.subscribe("chat:lobby");
    expect((await post("unsubscribe", { user: "cleo", channel: "chat:lobby" })).json).toEqual({});
    expect(await client.next("unsubscribed")).toMatchObject({
      ch: "chat:lobby",
      name: "subscription_ended",
    });
    client.send({ t: "ping", id: 7 });
    expect(await client.next("pong")).toMatchObject({ id: 7 });
  });

  test("disconnect lets clients come back, and a ban does not", async () => {
    const client = await open({ token: await tokenOf("dan") });
    await post("disconnect", { session: client.session });
    expect(await client.next("goodbye")).toMatchObject({ name: "disconnected" });
    expect(await client.closed).toBe(4009);
    const back = await open({ resume: client.resume });
    expect(back.session).toBe(client.session);
    await post("disconnect", { user: "dan", reconnect: false });
    expect(await back.next("goodbye")).toMatchObject({ name: "banned" });
    expect(await back.closed).toBe(4506);
    const refused = await opening({ resume: back.resume });
    expect(await refused.next("goodbye")).toMatchObject({ name: "resume_rejected" });
  });
});

describe("operating", () => {
  test("info says what the node holds", async () => {
    const client = await open();
    await client.subscribe("chat:info");
    const { json } = await get("info", {});
    expect(json).toMatchObject({ node: node.id, state: "ready" });
    expect(json.sessions).toBeGreaterThan(0);
    expect(json.subscriptions).toBeGreaterThan(0);
  });

  test("a drain makes the node unready at once, moves clients, and can be undone", async () => {
    expect((await internal("/readyz")).status).toBe(200);
    const client = await open({ migrates: true });
    const started = await post("drain", { windowMs: 60_000, preDelayMs: 0 });
    expect({ status: started.status, state: started.json.state }).toEqual({
      status: 202,
      state: "draining",
    });
    expect(started.json.drain.total).toBeGreaterThan(0);
    const health = await internal("/readyz");
    expect({ status: health.status, reasons: JSON.parse(health.text).reasons }).toMatchObject({
      status: 503,
      reasons: [{ reason: "draining" }],
    });
    expect(await client.next("migrate", 10_000)).toMatchObject({ reason: "drain" });
    expect((await post("undrain", {})).json).toEqual({ undone: true });
    expect((await post("undrain", {})).json).toEqual({ undone: false });
    expect((await internal("/readyz")).status).toBe(200);
    expect((await open()).session).toBeString();
  });

  test("what was done is in the metrics, and in the log without keys, tokens or data", async () => {
    const { text } = await internal("/metrics");
    expect(text).toMatch(/holdfast_publishes_total\{class="ordered",outcome="ok"\} [1-9]/);
    expect(text).toMatch(/holdfast_publishes_total\{class="ordered",outcome="duplicate"\} [1-9]/);
    expect(text).toMatch(/holdfast_http_requests_total\{route="publish",status="200"\} [1-9]/);
    expect(text).toMatch(/holdfast_handshakes_total\{outcome="resumed",code="none"\} [1-9]/);
    const events = lines.map((line) => JSON.parse(line));
    expect(
      events
        .filter(({ event }) => event === "api_command")
        .map(({ operation, by }) => [operation, by]),
    ).toContainEqual(["drain", "all"]);
    expect(events.filter(({ event }) => event === "api_failed")).toEqual([]);
    const log = lines.join("\n");
    for (const secret of [API_KEY, READ_KEY, SECRET, "eyJ", "hf1.", "Ada"])
      expect(log).not.toContain(secret);
  });

  test("/livez says that the process answers", async () => {
    expect(await internal("/livez")).toEqual({ status: 200, text: '{"alive":true}' });
  });
});

// ---- HTTP ----

interface Ask {
  readonly headers?: Record<string, string>;
}

async function call(path: string, init: RequestInit & Ask) {
  const response = await fetch(`http://127.0.0.1:${node.port}/api/v1/${path}`, {
    ...init,
    headers: { authorization: `Bearer ${API_KEY}`, ...init.headers },
  });
  const text = await response.text();
  return { status: response.status, text, json: JSON.parse(text) };
}

const post = (operation: string, body: unknown, { headers = {} }: Ask = {}) =>
  call(operation, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
const get = (operation: string, query: Record<string, string>, { headers = {} }: Ask = {}) =>
  call(`${operation}?${new URLSearchParams(query)}`, { headers });

async function internal(path: string) {
  const response = await fetch(`http://127.0.0.1:${node.internalPort}${path}`);
  return { status: response.status, text: await response.text() };
}

// ---- clients that speak the protocol by hand ----

type Frame = Readonly<Record<string, unknown>> & { readonly t: string };
interface Opening {
  readonly closed: Promise<number>;
  send(frame: Frame): void;
  /** The next frame of that type; those before it are dropped. */
  next(type: string, timeoutMs?: number): Promise<Frame>;
  close(): void;
}
interface Client extends Opening {
  readonly session: string;
  readonly resume: string;
  subscribe(channel: string): Promise<void>;
}
const clients: Client[] = [];

const tokenOf = (user: string): Promise<string> =>
  new SignJWT({ sub: user })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("5m")
    .sign(Buffer.from(SECRET));

/** A connection that has asked to be connected. */
async function opening(connect: Record<string, unknown> = {}): Promise<Opening> {
  const socket = new WebSocket(`ws://127.0.0.1:${node.port}/connect`, "holdfast.v1");
  const frames: Frame[] = [];
  let wake = () => {};
  const closed = new Promise<number>((resolve) => {
    socket.onclose = ({ code }) => resolve(code);
  });
  socket.onmessage = ({ data }) => {
    frames.push(
      ...String(data)
        .split("\n")
        .map((line) => JSON.parse(line)),
    );
    wake();
  };
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("no connection"));
  });
  const next = async (type: string, timeoutMs = 3_000): Promise<Frame> => {
    const deadlineMs = performance.now() + patience(timeoutMs);
    for (;;) {
      for (let frame = frames.shift(); frame !== undefined; frame = frames.shift())
        if (frame.t === type) return frame;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw new Error(`no frame ${type}`);
      await Promise.race([new Promise<void>((resolve) => (wake = resolve)), Bun.sleep(leftMs)]);
    }
  };
  const send = (frame: Frame): void => socket.send(JSON.stringify(frame));
  send({ t: "connect", id: 1, ...connect });
  return { closed, send, next, close: () => socket.close() };
}

async function open(connect: Record<string, unknown> = {}): Promise<Client> {
  const connection = await opening(connect);
  const { send, next } = connection;
  const connected = await next("connected");
  let id = 100;
  const client: Client = {
    ...connection,
    session: String(connected.session),
    resume: String(connected.resume),
    async subscribe(channel) {
      id += 1;
      send({ t: "subscribe", id, ch: channel });
      await next("subscribed");
    },
  };
  clients.push(client);
  return client;
}
