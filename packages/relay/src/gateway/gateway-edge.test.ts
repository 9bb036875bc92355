import { expect, test } from "bun:test";
import { createServer as createHttpServer } from "node:http";
import { connect as connectTcp } from "node:net";
import { stateless } from "@holdfast/rehoming";
import { sleep } from "bun";
import { Departures } from "./departures.ts";
import { sayGoodbye } from "./goodbyes.ts";
import { partyOf } from "./places.ts";
import { routeOf } from "./route.ts";
import { backend, connect, gateway, opened, until } from "./testing/setting.ts";

/** What comes back for bytes that no client library would send. */
function raw(port: number, text: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let got = "";
    const socket = connectTcp({ port, host: "127.0.0.1" });
    const end = () => {
      socket.destroy();
      resolve(got);
    };
    socket.on("data", (data) => {
      got += data.toString("latin1");
      if (got.includes("\r\n\r\n")) end();
    });
    socket.on("close", end);
    socket.on("error", end);
    socket.write(text);
  });
}
const upgrade = (lines: readonly string[] = [], target = "/ws") =>
  [
    `GET ${target} HTTP/1.1`,
    ...["Host: a", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...lines,
    "\r\n",
  ].join("\r\n");
const statusOf = (answer: string): string => answer.split(" ")[1] ?? "";

/** A server that answers piece by piece, until it is told to end. */
function slowServer() {
  const state = { end: () => {}, aborted: 0 };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: (request) => {
      request.signal.addEventListener("abort", () => {
        state.aborted += 1;
      });
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(new TextEncoder().encode("first"));
          state.end = () => {
            controller.enqueue(new TextEncoder().encode(" last"));
            controller.close();
          };
        },
      });
      return new Response(body);
    },
  });
  opened.push({ stop: () => void server.stop(true) });
  return { state, address: `127.0.0.1:${server.port}` };
}

test("an endpoint has a request until its answer's body ended", async () => {
  const slow = slowServer();
  const { one, endpoints } = gateway([], stateless);
  endpoints.discovered([{ address: slow.address, takes: true }], performance.now());
  const answer = await fetch(`http://127.0.0.1:${one.port}/ws/poll`);
  const reader = answer.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("first");
  expect(endpoints.connections(slow.address)).toBe(1);
  slow.state.end();
  let rest = "";
  for (;;) {
    const part = await reader?.read();
    if (part?.done !== false) break;
    rest += new TextDecoder().decode(part.value);
  }
  expect(rest).toBe(" last");
  await until("it is over", () => endpoints.connections(slow.address) === 0);
});

test("a client that goes in the middle of an answer ends the request", async () => {
  const slow = slowServer();
  const { one, endpoints } = gateway([], stateless, { requestsMax: 1 });
  endpoints.discovered([{ address: slow.address, takes: true }], performance.now());
  const giveUp = new AbortController();
  const answer = await fetch(`http://127.0.0.1:${one.port}/ws/poll`, { signal: giveUp.signal });
  await answer.body?.getReader().read();
  // The only place for a request is taken.
  const second = await fetch(`http://127.0.0.1:${one.port}/ws/poll`);
  expect([second.status, second.headers.get("retry-after")]).toEqual([503, "2"]);
  giveUp.abort();
  await until("it is over", () => endpoints.connections(slow.address) === 0);
  const third = await fetch(`http://127.0.0.1:${one.port}/ws/poll`);
  expect(third.status).toBe(200);
  slow.state.end();
  await third.text();
});

test("a request that may be sent again finds another endpoint if one is dead", async () => {
  const [a, dead] = [backend("a"), backend("dead")];
  const { one, endpoints } = gateway([a, dead]);
  void dead.server.stop(true);
  for (let i = 0; i < 8; i++) {
    const answer = await fetch(`http://127.0.0.1:${one.port}/ws/poll`);
    expect([answer.status, answer.headers.get("x-backend")]).toEqual([200, "a"]);
  }
  await until("all over", () => endpoints.connections(a.address) === 0);
  expect(endpoints.connections(dead.address)).toBe(0);
});

test("an answer that does not begin in time is 504, and the endpoint is not blamed", async () => {
  const a = backend("a");
  const { one, endpoints } = gateway([a], stateless, { answerMsMax: 50 });
  for (let i = 0; i < 4; i++)
    expect((await fetch(`http://127.0.0.1:${one.port}/ws/silent`)).status).toBe(504);
  expect(endpoints.list(performance.now()).map(({ state }) => state)).toEqual(["taking"]);
  expect(endpoints.connections(a.address)).toBe(0);
});

test("a client that the next servers refuse is closed with 1008 instead of waiting", async () => {
  const a = backend("a");
  const refusing = ["b", "c"].map(() =>
    Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response("token expired", { status: 401 }),
    }),
  );
  for (const server of refusing) opened.push({ stop: () => void server.stop(true) });
  const { one, endpoints } = gateway([a]);
  const client = await connect(one.port);
  endpoints.discovered(
    [
      { address: a.address, takes: false, leaves: true },
      ...refusing.map(({ port }) => ({ address: `127.0.0.1:${port}`, takes: true })),
    ],
    performance.now(),
  );
  for (const { held } of one.clients()) held.move("drain", 60_000);
  await until("closed", () => client.closed !== undefined);
  expect(client.closed).toEqual({
    code: 1008,
    reason: "The next server refused this client: it answered 401",
  });
});

test("hostile handshakes get an answer, and no endpoint is blamed for them", async () => {
  const a = backend("a");
  const { one, endpoints, counted } = gateway([a]);
  const table: readonly (readonly [string | Uint8Array, string])[] = [
    [upgrade(["Sec-WebSocket-Protocol: a, a"]), "400"],
    [upgrade(["Sec-WebSocket-Protocol: a b"]), "400"],
    [upgrade(["Sec-WebSocket-Protocol: ,,"]), "101"],
    [upgrade(["Host: b"]), "400"],
    [upgrade([], "/wsx"), "404"],
    [upgrade([], "/other/../ws"), "101"],
    [upgrade(["X-Odd: \xff\xfe\x80"]), "101"],
    [upgrade(["Cookie: a=\xe4"]), "101"],
    [upgrade(["Holdfast-Session: mine", "Holdfast-Attempt: 7"]), "101"],
    [upgrade().replace("Version: 13", "Version: 8"), "426"],
    [upgrade().replace("Key: dGhl", "Key: "), "400"],
    [upgrade().replace("GET", "POST"), "400"],
    [upgrade().replace(/Sec-WebSocket-Key.*\r\n/, ""), "400"],
  ];
  for (const [bytes, status] of table) {
    const sent = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
    expect([bytes, statusOf(await raw(one.port, sent))]).toEqual([bytes, status]);
  }
  await until("all gone", () => endpoints.connections(a.address) === 0);
  expect(endpoints.list(performance.now()).map(({ state }) => state)).toEqual(["taking"]);
  const told = a.headers.map((headers) => headers.get("holdfast-session"));
  expect(told.filter((session) => session === "mine")).toEqual([]);
  expect(counted).toContain("refused 400");
  expect(one.clientCount).toBe(0);
});

test("one address may have so many clients, and gets its places back", async () => {
  const a = backend("a");
  const { one } = gateway([a], stateless, {}, { clientsPerAddressMax: 2, clientsMax: 10 });
  const clients = [await connect(one.port), await connect(one.port)];
  expect(statusOf(await raw(one.port, upgrade()))).toBe("429");
  // Refused ones take no place.
  for (let i = 0; i < 5; i++)
    expect(statusOf(await raw(one.port, upgrade([], "/ws/refused")))).toBe("429");
  clients[0]?.socket.close();
  await until("a place", () => one.clientCount === 1);
  expect(statusOf(await raw(one.port, upgrade([], "/ws/refused")))).toBe("403");
  expect(one.clientCount).toBe(1);
  clients.push(await connect(one.port));
  expect(one.clientCount).toBe(2);
});

test("handshakes that wait for an endpoint count, and further ones are refused at once", async () => {
  const { one } = gateway(
    [backend("a")],
    stateless,
    { openMsMax: 3000, pendingMax: 2 },
    { clientsMax: 3 },
  );
  const waiting = [
    raw(one.port, upgrade([], "/ws/silent")),
    raw(one.port, upgrade([], "/ws/silent")),
  ];
  await until("they wait", () => one.clientCount === 2);
  const third = await raw(one.port, upgrade());
  expect([statusOf(third), third.includes("retry-after: 2")]).toEqual(["503", true]);
  expect(one.clientCount).toBe(2);
  one.end();
  await Promise.all(waiting);
});

test("a message that is too long for its route ends its client alone", async () => {
  const a = backend("a");
  const { one, dropped } = gateway(
    [a],
    stateless,
    { messageBytesMax: 1000 },
    { messageBytesMax: 10_000 },
  );
  const [loud, other] = [await connect(one.port), await connect(one.port)];
  loud.socket.send("ä".repeat(501));
  await until("closed", () => loud.closed !== undefined);
  expect(loud.closed?.code).toBe(1009);
  other.socket.send("x".repeat(900));
  await until("answered", () => other.got.length === 1);
  expect([a.received.map(({ length }) => length), dropped]).toEqual([[900], [1]]);
});

test("goodbyes come in pace, each with its code, and end with the last", async () => {
  const a = backend("a");
  const { one, counted } = gateway([a]);
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect(one.port)));
  const beganMs = performance.now();
  const terms = { windowMs: 60_000, handshakesPerSecond: 100, perSecondMax: 1000 };
  await sayGoodbye(
    one.clients(),
    { ...terms, code: 1012, reason: "bye" },
    new AbortController().signal,
  );
  // 0.7 of 100 a second.
  expect(performance.now() - beganMs).toBeGreaterThan(150);
  await until("all closed", () => clients.every(({ closed }) => closed !== undefined));
  expect(new Set(clients.map(({ closed }) => closed?.code))).toEqual(new Set([1012]));
  await until("counted", () => counted.length === 20);
  expect(new Set(counted)).toEqual(new Set(["closed 1012 gateway"]));
});

test("clients of an endpoint that leaves stay, untried, while no other endpoint takes any", async () => {
  const [a, b] = [backend("a"), backend("b")];
  const { one, route, endpoints, moves } = gateway([a]);
  const clients = await Promise.all(Array.from({ length: 5 }, () => connect(one.port)));
  endpoints.discovered([{ address: a.address, takes: false, leaves: true }], performance.now());
  const departures = new Departures({
    ...{ routes: [route], clients: (of, address) => one.clients(of, address) },
    ...{ windowMs: 300, socketsPerSecond: 1000, movesPerSecondMax: 1000 },
  });
  opened.push(departures);
  departures.start();
  await sleep(500);
  expect(one.clients().every(({ held }) => !held.isMoving)).toBe(true);
  endpoints.discovered(
    [
      { address: a.address, takes: false, leaves: true },
      { address: b.address, takes: true },
    ],
    performance.now(),
  );
  // Long after the first window: they are asked again.
  await until("all moved", () => moves.length === 5);
  expect(clients.every(({ closed }) => closed === undefined)).toBe(true);
});

test("a route with a host goes first, then the longest path; a dot behind the host is nothing", () => {
  const { route } = gateway([]);
  const at = (path: string, host?: string) => ({ ...route, name: `${host}${path}`, path, host });
  const routes = [at("/"), at("/a/b"), at("/a", "x.com"), at("/a")];
  const found = (url: string) => routeOf(routes, new URL(url))?.name;
  expect([
    found("http://x.com/a/b"),
    found("http://X.com./a"),
    found("http://y.com/a/b/c"),
    found("http://y.com/ab"),
    found("http://x.com/b"),
  ]).toEqual(["x.com/a", "x.com/a", "undefined/a/b", "undefined/", "undefined/"]);
});

test("whoever has an address of IPv6 has all of its first 64 bits", () => {
  expect(
    [
      "10.0.0.1",
      "2001:db8::1",
      "2001:db8:0:0:ffff::2",
      "::1",
      "fe80::1:2:3:4",
      "::ffff:10.0.0.1",
    ].map(partyOf),
  ).toEqual([
    "10.0.0.1",
    "2001:db8:0:0",
    "2001:db8:0:0",
    "0:0:0:0",
    "fe80:0:0:0",
    "::ffff:10.0.0.1",
  ]);
});

test("what a client says of itself in proxies' headers reaches nobody, unless a known proxy says it", async () => {
  const a = backend("a");
  const said = [
    ...["X-Real-IP: 9.9.9.9", "True-Client-IP: 9.9.9.9", "X-Forwarded-For: 9.9.9.9"],
    ...["X-Forwarded-Proto: https", "X-Forwarded-Port: 1", "Forwarded: for=9.9.9.9"],
    ...["Connection: X-Secret", "X-Secret: 9.9.9.9", "Holdfast-Attempt: 9.9.9.9"],
  ];
  const { one } = gateway([a]);
  await raw(one.port, upgrade(said));
  await until("asked", () => a.headers.length === 1);
  const [seen] = a.headers;
  expect([...(seen ?? [])].filter(([, value]) => /9\.9\.9\.9|https/.test(value))).toEqual([]);
  expect(seen?.get("x-forwarded-for")).toBe("127.0.0.1");

  const trusting = gateway(
    [a],
    stateless,
    {},
    {
      clientOf: (peer) => ({
        address: "9.9.9.9",
        peer,
        isTrusted: true,
        proxyHeader: "x-forwarded",
      }),
    },
  );
  await raw(trusting.one.port, upgrade(said));
  await until("asked", () => a.headers.length === 2);
  const proxied = a.headers[1];
  expect(proxied?.get("x-forwarded-for")).toBe("9.9.9.9, 127.0.0.1");
  expect(proxied?.get("x-forwarded-proto")).toBe("https");
  expect(proxied?.get("x-real-ip")).toBe("9.9.9.9");
  // Those proxies do not write it: it may be the client's own.
  expect(proxied?.get("forwarded")).toBeNull();

  const other = gateway(
    [a],
    stateless,
    {},
    {
      clientOf: (peer) => ({ address: "9.9.9.9", peer, isTrusted: true, proxyHeader: "forwarded" }),
    },
  );
  await raw(other.one.port, upgrade(said));
  await until("asked", () => a.headers.length === 3);
  expect(a.headers[2]?.get("forwarded")).toBe("for=9.9.9.9, for=127.0.0.1");
  expect(a.headers[2]?.get("x-forwarded-for")).toBe("9.9.9.9");
  expect(a.headers[2]?.get("x-forwarded-proto")).toBe("http");
});

test("lengths pass: of a body to the endpoint, of what a HEAD asks about to the client", async () => {
  const heard: (string | undefined)[] = [];
  const server = createHttpServer((request, response) => {
    heard.push(request.headers["content-length"]);
    response.setHeader("content-length", 5);
    request.resume().on("end", () => response.end("12345"));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  opened.push({ stop: () => void server.close() });
  const { port } = server.address() as { port: number };
  const { one, endpoints } = gateway([]);
  endpoints.discovered([{ address: `127.0.0.1:${port}`, takes: true }], performance.now());
  const at = `http://127.0.0.1:${one.port}/ws/x`;
  expect(await (await fetch(at, { method: "POST", body: "abc" })).text()).toBe("12345");
  const head = await fetch(at, { method: "HEAD" });
  expect([heard, head.headers.get("content-length")]).toEqual([["3", undefined], "5"]);
});

test("a body that nobody waits for any more ends its connection", async () => {
  const early = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("no") });
  opened.push({ stop: () => void early.stop(true) });
  const setting = gateway([]);
  setting.endpoints.discovered(
    [{ address: `127.0.0.1:${early.port}`, takes: true }],
    performance.now(),
  );
  const head = "POST /ws/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc";
  const answer = await raw(setting.one.port, head);
  expect([statusOf(answer), /connection: close/i.test(answer)]).toEqual(["200", true]);
});

test("a client that goes while its upstream opens gives its place back at once", async () => {
  const a = backend("a");
  const { one, endpoints } = gateway([a], stateless, { openMsMax: 60_000 });
  const socket = connectTcp({ port: one.port, host: "127.0.0.1" });
  socket.write(upgrade([], "/ws/silent"));
  await until("it waits", () => one.clientCount === 1);
  socket.destroy();
  await until("its place is free", () => one.clientCount === 0);
  expect(endpoints.connections(a.address)).toBe(0);
});
