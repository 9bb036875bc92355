import { expect, test } from "bun:test";
import { none, stateless } from "@holdfast/rehoming";
import { sleep } from "bun";
import { Departures } from "./departures.ts";
import { backend, connect, gateway, opened, until } from "./testing/setting.ts";

test("frames pass both ways, text and binary, and so do headers, cookies and subprotocol", async () => {
  const a = backend("a");
  const { one } = gateway([a]);
  const client = await connect(one.port, "/ws/room?p=v2", ["v1", "v2"]);
  expect(client.socket.protocol).toBe("v2");
  client.socket.send("hello");
  client.socket.send("ä🙂");
  await until("answers", () => client.got.length === 2);
  expect(client.got).toEqual(["re:hello@a", "re:ä🙂@a"]);
  const [headers] = a.headers;
  expect(headers?.get("host")).toBe(`127.0.0.1:${one.port}`);
  expect(headers?.get("x-forwarded-for")).toBe("127.0.0.1");
  expect(headers?.get("holdfast-attempt")).toBe("0");
});

test("G3: a drained endpoint's clients move while they talk: each frame is answered once", async () => {
  const [a, b] = [backend("a"), backend("b")];
  const { one, endpoints, moves, dropped, taken } = gateway([a]);
  const clients = await Promise.all(Array.from({ length: 30 }, () => connect(one.port)));
  endpoints.discovered(
    [
      { address: a.address, takes: false, leaves: true },
      { address: b.address, takes: true },
    ],
    performance.now(),
  );
  let sent = 0;
  const talking = setInterval(() => {
    for (const { socket } of clients) socket.send(`${sent}`);
    sent += 1;
  }, 5);
  await sleep(100);
  for (const { held } of one.clients(undefined, a.address)) held.move("drain", 5000);
  await until("all moved", () => moves.length === 30);
  await sleep(100);
  clearInterval(talking);
  await until("answers", () => clients.every(({ got }) => got.length === sent));
  for (const { got, closed } of clients) {
    expect(got.map((text) => text.split("@")[0])).toEqual(
      Array.from({ length: sent }, (_, i) => `re:${i}`),
    );
    expect(got.at(-1)).toEndWith("@b");
    expect(closed).toBeUndefined();
  }
  expect([
    dropped,
    taken(),
    endpoints.connections(a.address),
    endpoints.connections(b.address),
  ]).toEqual([[], 0, 0, 30]);
  expect(new Set(b.headers.map((headers) => headers.get("holdfast-attempt")))).toEqual(
    new Set(["1"]),
  );
});

test("an endpoint that leaves is emptied at a pace, without anybody asking for each client", async () => {
  const [a, b] = [backend("a"), backend("b")];
  const { one, route, endpoints, moves, dropped } = gateway([a]);
  const clients = await Promise.all(Array.from({ length: 40 }, () => connect(one.port)));
  endpoints.discovered(
    [a, b].map(({ address }) => ({ address, takes: true })),
    performance.now(),
  );
  const departures = new Departures({
    ...{ routes: [route], clients: (of, address) => one.clients(of, address) },
    ...{ windowMs: 20_000, socketsPerSecond: 100, movesPerSecondMax: 1000 },
  });
  opened.push(departures);
  departures.start();
  expect(endpoints.drain(a.address, 1, { nowMs: 0 })).toBe("obeyed");
  const startMs = performance.now();
  await until("all moved", () => moves.length === 40);
  // 0.7 of 100 a second.
  expect(performance.now() - startMs).toBeGreaterThan(400);
  expect([one.clients(undefined, a.address).length, dropped]).toEqual([0, []]);
  expect(clients.every(({ closed }) => closed === undefined)).toBe(true);
});

test("an endpoint whose sockets break is replaced, and what the client sends meanwhile arrives", async () => {
  const [a, b] = [backend("a"), backend("b")];
  const { one, endpoints } = gateway([a, b]);
  const clients = await Promise.all(Array.from({ length: 10 }, () => connect(one.port)));
  expect(one.clients(undefined, a.address).length).toBe(5);
  void a.server.stop(true);
  await until("all on b", () => one.clients(undefined, b.address).length === 10);
  for (const { socket } of clients) socket.send("y");
  await until("all on b", () => clients.every(({ got }) => got.at(-1) === "re:y@b"));
  expect(clients.every(({ closed }) => closed === undefined)).toBe(true);
  expect(endpoints.connections(b.address)).toBe(10);
});

test("without a profile a drain closes its clients with 1012", async () => {
  const a = backend("a");
  const { one } = gateway([a], none);
  const client = await connect(one.port);
  for (const { held } of one.clients()) held.move("drain", 1000);
  await until("closed", () => client.closed !== undefined);
  expect(client.closed?.code).toBe(1012);
  await until("forgotten", () => one.clients().length === 0);
  await until("upstream closed", () => a.closes === 1);
});

test("the application's close code and reason reach the client, the client's reach the application", async () => {
  const a = backend("a");
  const { one, endpoints } = gateway([a]);
  const client = await connect(one.port);
  client.socket.send("close me");
  await until("closed", () => client.closed !== undefined);
  expect(client.closed).toEqual({ code: 4007, reason: "as you wish" });
  const other = await connect(one.port);
  other.socket.close(4001, "bye");
  await until("closed", () => a.closes === 2);
  await until(
    "forgotten",
    () => one.clients().length === 0 && endpoints.connections(a.address) === 0,
  );
});

test("an application's refusal is the client's: status, headers, each cookie, body", async () => {
  const { one } = gateway([backend("a")]);
  const answer = await fetch(`http://127.0.0.1:${one.port}/ws/refused`, {
    headers: {
      ...{ connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" },
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    },
  });
  expect([answer.status, await answer.text()]).toEqual([403, "no seat"]);
  expect(answer.headers.get("x-why")).toBe("full");
  expect(answer.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
});

test("servers that accept and never answer are given up: 503, with a time to come back", async () => {
  const { one, endpoints } = gateway([backend("a")], stateless, { openMsMax: 50 });
  const answer = await fetch(`http://127.0.0.1:${one.port}/ws/silent`, {
    headers: {
      ...{ connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" },
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    },
  });
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "2"]);
  expect(endpoints.connections(endpoints.taking()[0] ?? "")).toBe(0);
});

test("HTTP that is no upgrade passes, and unknown paths do not", async () => {
  const { one } = gateway([backend("a")]);
  const at = (path: string, init?: RequestInit) =>
    fetch(`http://127.0.0.1:${one.port}${path}`, init);
  const answer = await at("/ws/poll?q=1", { method: "POST", body: "data" });
  expect(await answer.text()).toBe("POST /ws/poll?q=1 data");
  expect(answer.headers.get("x-backend")).toBe("a");
  expect((await at("/other")).status).toBe(404);
  expect((await at("/wsx")).status).toBe(404);
});

test("a client that reads nothing stops its upstream, and others go on; then it gets everything", async () => {
  const a = backend("a");
  const { one } = gateway([a]);
  const [slow, other] = [await connect(one.port), await connect(one.port)];
  const big = "x".repeat(500_000);
  (slow.socket as unknown as { pause(): void }).pause();
  for (let i = 0; i < 60; i++) slow.socket.send(big);
  for (let i = 0; i < 20; i++) {
    other.socket.send(`${i}`);
    await until("answer", () => other.got.length === i + 1);
  }
  await until("the rest waits in the backend", () => a.backlogMax > 10_000_000);
  (slow.socket as unknown as { resume(): void }).resume();
  await until("all of it", () => slow.got.length === 60);
  expect(slow.closed).toBeUndefined();
});

test("a client that moves asks an endpoint that failed it only when no other is left", async () => {
  const [a, b] = [backend("a"), backend("b")];
  const { one, endpoints, moves, counted } = gateway([a]);
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect(one.port)));
  // Nobody listens there, and the table would try it again and again.
  const dead = Array.from({ length: 3 }, (_, i) => ({ address: `127.0.0.1:${i + 1}` }));
  endpoints.configure({ slowStartMs: 0, health: { failuresMax: 1000 } });
  endpoints.discovered(
    [...dead, b].map(({ address }) => ({ address, takes: true })),
    performance.now(),
  );
  for (const { held } of one.clients(undefined, a.address)) held.move("drain", 20_000);
  await until("all moved", () => moves.length === 20);
  const failed = counted.filter((text) => text === "upstream error").length;
  expect(failed).toBeLessThanOrEqual(20 * dead.length);
  expect(clients.every(({ closed }) => closed === undefined)).toBe(true);
});
