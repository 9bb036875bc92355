import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createConnection } from "node:net";
import { patience } from "../patience.ts";
import { type RawSocket, rawSocket } from "./raw-socket.ts";
import { startNode, type TestNode, until } from "./start-node.ts";

setDefaultTimeout(patience(45_000));

let at: TestNode;
beforeAll(async () => {
  at = await startNode({
    env: {
      HOLDFAST_LIMITS_MESSAGE_BYTES_MAX: "70000",
      HOLDFAST_LIMITS_DATA_BYTES_MAX: "50000",
      HOLDFAST_TIMEOUTS_HANDSHAKE_MS: "1000",
      HOLDFAST_LIMITS_SUBSCRIPTIONS_MAX: "10000",
      HOLDFAST_LIMITS_FRAMES_PER_SECOND_MAX: "3000",
      HOLDFAST_LIMITS_PUBLISHES_PER_SECOND_MAX: "1000",
      HOLDFAST_LIMITS_PUBLISHED_BYTES_PER_SECOND_MAX: "64MiB",
      HOLDFAST_LIMITS_RECEIVED_BYTES_PER_SECOND_MAX: "128MiB",
      HOLDFAST_LIMITS_CONNECTIONS_PER_ADDRESS_MAX: "1000",
    },
  });
});
afterAll(async () => {
  await at.node.stop();
});

const opened: RawSocket[] = [];
afterEach(() => {
  for (const socket of opened.splice(0)) socket.end();
});

const CONNECT = '{"t":"connect","id":1}';

async function connected(): Promise<RawSocket> {
  const socket = await rawSocket(at.url, { protocol: "holdfast.v1" });
  opened.push(socket);
  socket.text(CONNECT);
  await until("connected", () => socket.received.length > 0);
  socket.received.length = 0;
  return socket;
}

const frames = (socket: RawSocket): { t: string; name?: string; path?: string; id?: number }[] =>
  socket.received.flatMap((message) => message.split("\n")).map((line) => JSON.parse(line));

/** Nothing that a client sends may crash the node, be logged as a bug, or leave anything behind. */
async function unharmed(): Promise<void> {
  expect(at.bugs).toEqual([]);
  await until("no connection is left", () => at.node.info().connections === 0);
  const probe = await connected();
  probe.text('{"t":"ping","id":2}');
  await until("the node answers", () => frames(probe).some(({ t }) => t === "pong"));
  probe.end();
  await until("the probe has gone", () => at.node.info().connections === 0);
  expect(at.node.info()).toMatchObject({ sessions: 0, subscriptions: 0 });
}

const endings: readonly [what: string, code: number, send: (socket: RawSocket) => void][] = [
  ["text that is no JSON", 4503, (s) => s.text("hello")],
  ["JSON that is no map", 4503, (s) => s.text("[1,2]")],
  ["a map without a type", 4503, (s) => s.text('{"id":1}')],
  ["an unknown type", 4503, (s) => s.text('{"t":"sudo","id":2}')],
  ["an empty message", 4503, (s) => s.text("")],
  ["a binary message on a text codec", 4503, (s) => s.bytes(new Uint8Array([0x81, 0xa1, 0x74]))],
  ["a second connect", 4503, (s) => s.text(CONNECT)],
  ["a request without an id", 4503, (s) => s.text('{"t":"ping"}')],
  ["2,000 frames in a message", 4503, (s) => s.text('{"t":"ping","id":2}\n'.repeat(2000).trim())],
  ["invalid UTF-8", 1007, (s) => s.frame(0x81, new Uint8Array([0xc3, 0x28]))],
  ["a message over the limit", 4504, (s) => s.text("x".repeat(80_000))],
  ["a message over the limit in bytes, not in characters", 4504, (s) => s.text("€".repeat(30_000))],
  ["a message of more than twice the limit", 1009, (s) => s.text("x".repeat(150_000))],
  ["a declared length of 2^53", 1009, (s) => s.frame(0x81, "x", { declaredBytes: 2 ** 53 - 1 })],
  ["an unmasked frame", 1002, (s) => s.frame(0x81, "{}", { masked: false })],
  ["a reserved bit", 1002, (s) => s.frame(0xc1, "{}")],
  ["a reserved opcode", 1002, (s) => s.frame(0x83, "{}")],
  ["a continuation of nothing", 1002, (s) => s.frame(0x80, "{}")],
  ["a ping frame of 200 bytes", 1002, (s) => s.frame(0x89, "x".repeat(200))],
];

for (const [what, code, send] of endings) {
  test(`${what} ends the connection with ${code}`, async () => {
    const socket = await connected();
    send(socket);
    expect((await socket.closed).code).toBe(code);
    await unharmed();
  });
}

const answers: readonly [what: string, request: string, name: string, path?: string][] = [
  ["an id of 0", '{"t":"ping","id":0}', "goodbye"],
  [
    "a channel name of 300 characters",
    `{"t":"subscribe","id":2,"ch":"chat:${"x".repeat(300)}"}`,
    "request_invalid",
    "ch",
  ],
  ["an empty channel name", '{"t":"subscribe","id":2,"ch":""}', "channel_invalid", "ch"],
  [
    "a control character in a channel name",
    '{"t":"subscribe","id":2,"ch":"chat:\\u0007"}',
    "channel_invalid",
    "ch",
  ],
  [
    "a channel that no pattern matches",
    '{"t":"subscribe","id":2,"ch":"__proto__"}',
    "channel_unknown",
  ],
  [
    "a channel named constructor",
    '{"t":"publish","id":2,"ch":"constructor","d":1}',
    "channel_unknown",
  ],
  ["a number as channel", '{"t":"subscribe","id":2,"ch":7}', "request_invalid", "ch"],
  [
    "an offset of 1e300",
    '{"t":"subscribe","id":2,"ch":"chat:a","pos":{"epoch":"e","offset":1e300}}',
    "request_invalid",
    "pos.offset",
  ],
  [
    "a negative offset",
    '{"t":"subscribe","id":2,"ch":"chat:a","pos":{"epoch":"e","offset":-1}}',
    "request_invalid",
    "pos.offset",
  ],
  [
    "a limit of 1.5",
    '{"t":"history","id":2,"ch":"chat:a","limit":1.5}',
    "request_invalid",
    "limit",
  ],
  ["a publish without data", '{"t":"publish","id":2,"ch":"chat:a"}', "request_invalid", "d"],
  [
    "data and bytes at once",
    '{"t":"publish","id":2,"ch":"chat:a","b":"AA==","d":1}',
    "request_invalid",
    "b",
  ],
  [
    "bytes that are no base64",
    '{"t":"publish","id":2,"ch":"chat:a","b":"*"}',
    "payload_invalid",
    "b",
  ],
  [
    "data of 20,000 levels",
    `{"t":"publish","id":2,"ch":"chat:a","d":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
    "payload_invalid",
    "d",
  ],
  [
    "data over the limit",
    `{"t":"publish","id":2,"ch":"chat:a","d":"${"x".repeat(50_001)}"}`,
    "payload_too_large",
    "d",
  ],
  [
    "a key of 1,000 characters",
    `{"t":"publish","id":2,"ch":"state:a","k":"${"k".repeat(1000)}","d":1}`,
    "request_invalid",
    "k",
  ],
  [
    "a latest publish without a key",
    '{"t":"publish","id":2,"ch":"state:a","d":1}',
    "key_required",
    "k",
  ],
  ["an unknown call", '{"t":"rpc","id":2,"m":"toString"}', "rpc_unknown"],
  ["leaving without entering", '{"t":"leave","id":2,"ch":"chat:a"}', "not_entered"],
  ["presence where there is none", '{"t":"enter","id":2,"ch":"fast:a"}', "presence_disabled"],
  ["history where there is none", '{"t":"history","id":2,"ch":"fast:a"}', "history_disabled"],
  ["unsubscribing from nothing", '{"t":"unsubscribe","id":2,"ch":"chat:a"}', "not_subscribed"],
];

for (const [what, request, name, path] of answers) {
  test(`${what} is answered with ${name}${path === undefined ? "" : ` at ${path}`}`, async () => {
    const socket = await connected();
    socket.text(request);
    await until("an answer", () => socket.received.length > 0);
    const [answer] = frames(socket);
    if (name === "goodbye") expect(answer).toMatchObject({ t: "goodbye", name: "frame_invalid" });
    else
      expect(answer).toMatchObject({
        t: "err",
        id: 2,
        name,
        ...(path === undefined ? {} : { path }),
      });
    socket.end();
    await unharmed();
  });
}

test("data that tries to be a frame of its own stays data", async () => {
  const socket = await connected();
  socket.text('{"t":"subscribe","id":2,"ch":"chat:inject"}');
  for (const data of [
    '"},{\\"t\\":\\"gap\\""',
    '{"__proto__":{"admin":true},"constructor":1}',
    '"line\\u000abreak\\u2028"',
    "1e999",
    '"\\ud800"',
  ]) {
    socket.text(`{"t":"publish","id":3,"ch":"chat:inject","d":${data}}`);
  }
  await until(
    "five answers",
    () => frames(socket).filter(({ t }) => t === "published" || t === "err").length === 5,
  );
  // A publication may come in a later message than the answer to who published it.
  const count = (type: string): number => frames(socket).filter(({ t }) => t === type).length;
  await until("what was published comes", () => count("pub") === count("published"));
  const types = new Set(frames(socket).map(({ t }) => t));
  types.delete("err");
  expect([...types].sort()).toEqual(["pub", "published", "subscribed"]);
  expect(({} as { admin?: boolean }).admin).toBeUndefined();
  socket.end();
  await unharmed();
});

test("10,000 subscriptions of one connection work, the next is refused, and all are gone with it", async () => {
  const socket = await connected();
  for (let from = 0; from < 10_000; from += 250) {
    const batch = Array.from(
      { length: 250 },
      (_, i) => `{"t":"subscribe","id":${from + i + 2},"ch":"chat:${from + i}"}`,
    );
    socket.text(batch.join("\n"));
    await Bun.sleep(90);
  }
  await until("all subscribed", () => at.node.info().subscriptions === 10_000, 20_000);
  socket.text('{"t":"subscribe","id":20000,"ch":"chat:one-more"}');
  await until("the refusal", () =>
    frames(socket).some(({ name }) => name === "subscription_limit"),
  );
  socket.end();
  await unharmed();
});

test("a flood is refused, then ended, and others are served meanwhile", async () => {
  const flooder = await connected();
  const other = await connected();
  const burst = '{"t":"ping","id":2}\n'.repeat(500).trim();
  const closed = flooder.closed;
  for (let i = 0; i < 200; i++) flooder.text(burst);
  other.text('{"t":"ping","id":9}');
  await until("the other is served", () => frames(other).some(({ t }) => t === "pong"), 2000);
  expect((await closed).code).toBe(4012);
  other.end();
  await unharmed();
});

test("half a request, no request and half a WebSocket handshake are closed in time", async () => {
  const { port } = new URL(at.url);
  const closings = ["", "GET /connect HTTP/1.1\r\nHost: x\r\nUpg"].map(
    (start) =>
      new Promise<void>((resolve) => {
        const socket = createConnection(
          Number(port),
          "127.0.0.1",
          () => void (start === "" ? undefined : socket.write(start)),
        );
        socket.on("close", () => resolve());
        socket.on("error", () => resolve());
        socket.on("end", () => socket.destroy());
      }),
  );
  const silent = await rawSocket(at.url, { protocol: "holdfast.v1" });
  expect((await silent.closed).code).toBe(4007);
  await Promise.all(closings);
  await unharmed();
});

test("a connection that only sends half a frame counts as silent", async () => {
  const socket = await rawSocket(at.url, { protocol: "holdfast.v1" });
  socket.frame(0x81, '{"t":"conn', { declaredBytes: 5000 });
  expect((await socket.closed).code).toBe(4007);
  await unharmed();
});

test("a reader that stops reading is cut at the limit while the others get everything", async () => {
  const stalled = await connected();
  const reader = await connected();
  const writer = await connected();
  stalled.text('{"t":"subscribe","id":2,"ch":"chat:slow"}');
  reader.text('{"t":"subscribe","id":2,"ch":"chat:slow"}');
  await until("both subscribed", () => at.node.info().subscriptions === 2);
  stalled.pause();
  const data = "x".repeat(30_000);
  for (let i = 0; i < 600; i++) {
    writer.text(`{"t":"publish","id":3,"ch":"chat:slow","d":"${data}"}`);
    if (i % 20 === 0) await Bun.sleep(25);
  }
  const offsets = (): number[] =>
    reader.received
      .flatMap((m) => m.split("\n"))
      .flatMap((line) => (line.startsWith('{"t":"pub"') ? [JSON.parse(line).o] : []));
  await until("the reader has everything", () => offsets().length === 600, 20_000);
  expect(offsets()).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
  // What the stalled one costs is bounded: its subscription waits in history, not in memory.
  expect(at.node.info().queueBytes).toBeLessThan(4 * 1024 * 1024);
  for (const socket of [stalled, reader, writer]) socket.end();
  await unharmed();
});

test("subprotocols: none is JSON, ours is echoed, only others are refused in band", async () => {
  const none = await rawSocket(at.url);
  expect(none.headers.toLowerCase()).not.toContain("sec-websocket-protocol");
  none.text(CONNECT);
  await until("connected", () => frames(none)[0]?.t === "connected");
  none.end();
  const both = await rawSocket(at.url, {
    protocol: "graphql-ws, holdfast.v1+msgpack, holdfast.v1",
  });
  expect(both.headers.toLowerCase()).toContain("sec-websocket-protocol: holdfast.v1+msgpack");
  both.end();
  const other = await rawSocket(at.url, { protocol: "graphql-ws" });
  expect((await other.closed).code).toBe(4508);
  expect(frames(other)[0]).toMatchObject({ t: "goodbye", name: "version_unsupported" });
  await unharmed();
});

test("pages of other origins are refused, those of the node's own and clients without one are not", async () => {
  const evil = await rawSocket(at.url, { origin: "https://evil.example" });
  expect(evil.status).toContain("403");
  const own = await rawSocket(at.url, { origin: at.httpUrl });
  expect(own.status).toContain("101");
  own.end();
  const elsewhere = await fetch(`${at.httpUrl}/connect`);
  expect(elsewhere.status).toBe(426);
  expect((await fetch(`${at.httpUrl}/`)).status).toBe(404);
  await unharmed();
});

for (const host of ["a b", "[", "x:99999", "%zz", ""]) {
  test(`a request whose Host is ${JSON.stringify(host)} is refused, and is no bug of the node`, async () => {
    for (const [url, path] of [
      [at.httpUrl, "/connect"],
      [at.httpUrl, "/api/v1/info"],
      [at.httpUrl, "/"],
      [at.internalUrl, "/livez"],
    ] as const) {
      expect(
        await statusOf(url, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
      ).toBe("HTTP/1.1 400 Bad Request");
    }
    await unharmed();
  });
}

function statusOf(url: string, request: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: hostname, port: Number(port) }, () =>
      socket.write(request),
    );
    socket.once("data", (bytes) => {
      resolve(bytes.toString("latin1").split("\r\n", 1)[0] ?? "");
      socket.destroy();
    });
    socket.once("error", reject);
  });
}
