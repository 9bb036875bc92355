import { expect, setDefaultTimeout, test } from "bun:test";
import { connect as connectTcp } from "node:net";
import { patience } from "../../../test/patience.ts";
import { DnsServer } from "./testing/dns-server.ts";
import {
  ask,
  configOf,
  connect,
  EchoServer,
  opened,
  startGateway,
  until,
} from "./testing/setting.ts";

setDefaultTimeout(patience(20_000));

const routeTo = (servers: readonly EchoServer[], more = "") =>
  `routes: [{name: app, profile: stateless, slowStartMs: 0, service: {static: [${servers.map(({ address }) => `"${address}"`).join(", ")}]}${more}}]`;

test("it is ready with an endpoint, holds clients, and counts what it does", async () => {
  const a = new EchoServer("a");
  const { program, ready, metric, metrics, admin } = startGateway(routeTo([a]));
  expect(await ready()).toBe(200);
  expect((await fetch(`${admin}/healthz`)).status).toBe(200);
  const client = await connect(program.port, "/room?x=1");
  expect(await ask(client, "hi")).toBe("re:hi@a");
  expect(await metric('holdfast_gateway_clients{route="app"}')).toBe(1);
  expect(await metric('holdfast_gateway_endpoints{route="app",state="taking"}')).toBe(1);
  expect(
    await metric(`holdfast_gateway_endpoint_connections{route="app",endpoint="${a.address}"}`),
  ).toBe(1);
  expect(await metric('holdfast_gateway_frames_total{route="app",direction="in"}')).toBe(1);
  expect(await (await fetch(`http://127.0.0.1:${program.port}/x`)).text()).toBe("GET a");
  client.socket.close(4711);
  await until(
    "it is closed",
    async () => (await metric('holdfast_gateway_clients{route="app"}')) === 0,
  );
  expect(await metric('holdfast_gateway_closed_total{route="app",by="client",code="4xxx"}')).toBe(
    1,
  );
  expect(await metric('holdfast_gateway_requests_total{route="app",status="200"}')).toBe(1);
  expect(await metrics()).not.toContain("undefined");
});

test("a reload adds, changes and removes routes without touching a socket of the others", async () => {
  const [a, b, c] = [new EchoServer("a"), new EchoServer("b"), new EchoServer("c")];
  const route = (name: string, server: EchoServer, more = "") =>
    `  - {name: ${name}, path: /${name}, profile: stateless, slowStartMs: 0, service: {static: ["${server.address}"]}${more}}\n`;
  const { program, told, metric, metrics } = startGateway(
    `routes:\n${route("one", a)}${route("two", b)}`,
  );
  const [one, two] = [await connect(program.port, "/one"), await connect(program.port, "/two")];
  program.configure(configOf(`routes:\n${route("one", a)}${route("two", c)}${route("new", a)}`));
  // Its service is another one now: the client moves there.
  await until("moved", async () => (await ask(two, "x")) === "re:x@c");
  expect(await ask(one, "y")).toBe("re:y@a");
  expect(await ask(await connect(program.port, "/new"), "z")).toBe("re:z@a");
  expect(a.headers.filter((headers) => headers.get("holdfast-attempt") === "1")).toEqual([]);
  program.configure(configOf(`routes:\n${route("two", c)}`));
  await until("the removed route's client is closed", () => one.closed !== undefined);
  expect(one.closed).toEqual({ code: 1012, reason: "The route is gone" });
  await expect(connect(program.port, "/one")).rejects.toThrow();
  expect([two.closed, await ask(two, "w")]).toEqual([undefined, "re:w@c"]);
  expect(await metric('holdfast_gateway_reloads_total{outcome="taken"}')).toBe(2);
  await until("its series end", async () => !(await metrics()).includes('route="one"'));
  expect(told.filter(({ event }) => event === "routesChanged").map(({ fields }) => fields)).toEqual(
    [
      { added: ["one", "two"], changed: [], removed: [] },
      { added: ["new"], changed: ["two"], removed: [] },
      { added: [], changed: [], removed: ["one", "new"] },
    ],
  );
  program.refused();
  expect(await metric("holdfast_gateway_configuration_refused")).toBe(1);
});

test("G6: a gateway that stops is not ready, takes clients for a while, and closes all in pace", async () => {
  const a = new EchoServer("a");
  const { program, ready, metric } = startGateway(
    `${routeTo([a])}\nadmission: {handshakesPerSecond: 100}`,
  );
  const clients = await Promise.all(Array.from({ length: 12 }, () => connect(program.port)));
  const drained = program.drain({ preDelayMs: 300, windowMs: 10_000 });
  expect([await ready(), await metric("holdfast_gateway_draining")]).toEqual([503, 1]);
  clients.push(await connect(program.port));
  expect(clients.every(({ closed }) => closed === undefined)).toBe(true);
  await until("the first goes", () => clients.some(({ closed }) => closed !== undefined));
  const late = await fetch(`http://127.0.0.1:${program.port}/`, {
    headers: {
      ...{ connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" },
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    },
  });
  expect([late.status, late.headers.get("retry-after")]).toEqual([503, "2"]);
  await drained;
  expect(new Set(clients.map(({ closed }) => closed?.code))).toEqual(new Set([1012]));
  expect(program.info().connections).toBe(0);
  expect(await program.stop()).toBe(0);
});

test("a gateway whose clients do not leave in time cuts them, and says how many", async () => {
  const a = new EchoServer("a");
  const { program } = startGateway(routeTo([a]));
  await Promise.all(Array.from({ length: 3 }, () => connect(program.port)));
  await program.drain({ preDelayMs: 0, windowMs: 0 });
  expect(await program.stop()).toBe(3);
});

test("an endpoint that fails its checks gets nobody, and comes back", async () => {
  const [a, b] = [new EchoServer("a"), new EchoServer("b")];
  const { program, metric } = startGateway(
    routeTo([a, b], ", health: {check: {path: /health, intervalMs: 100, failuresMax: 2}}"),
  );
  const ill = () => metric('holdfast_gateway_endpoints{route="app",state="ill"}');
  b.status = 500;
  await until("b is out", async () => (await ill()) === 1);
  for (let i = 0; i < 4; i++) expect(await ask(await connect(program.port), "x")).toBe("re:x@a");
  b.status = 204;
  await until("b is back", async () => (await ill()) === 0);
  const answers = new Set<string>();
  for (let i = 0; i < 6; i++) answers.add(await ask(await connect(program.port), "x"));
  expect(answers).toContain("re:x@b");
  expect(await metric('holdfast_gateway_checks_total{route="app",outcome="ill"}')).toBeGreaterThan(
    1,
  );
});

for (const kind of ["tcp", "websocket"])
  test(`a check by ${kind} finds who is there`, async () => {
    const a = new EchoServer("a");
    const dead = new EchoServer("dead");
    const { metric } = startGateway(
      routeTo([a, dead], `, health: {check: {kind: ${kind}, intervalMs: 100, failuresMax: 1}}`),
    );
    dead.stop();
    await until(
      "one is out",
      async () => (await metric('holdfast_gateway_endpoints{route="app",state="ill"}')) === 1,
    );
    await until(
      "the other one was found well",
      async () =>
        ((await metric('holdfast_gateway_checks_total{route="app",outcome="well"}')) ?? 0) > 0,
    );
  });

test("a check that is taken out of the configuration keeps nobody out", async () => {
  const [a, b] = [new EchoServer("a"), new EchoServer("b")];
  b.status = 500;
  const { program, metric } = startGateway(
    routeTo([a, b], ", health: {check: {path: /, intervalMs: 100, failuresMax: 1}}"),
  );
  const ill = () => metric('holdfast_gateway_endpoints{route="app",state="ill"}');
  await until("b is out", async () => (await ill()) === 1);
  program.configure(configOf(routeTo([a, b])));
  expect(await ill()).toBe(0);
});

test("a service that DNS knows: clients follow its answer, and stay when DNS is away", async () => {
  const [a, b] = [new EchoServer("a"), new EchoServer("b")];
  const dns = await DnsServer.start();
  opened.push(dns);
  const port = (server: EchoServer) => server.address.split(":")[1];
  const text = (server: EchoServer) =>
    `routes: [{name: app, profile: stateless, slowStartMs: 0, service: {dns: {name: app.example.com, port: ${port(server)}, refreshMs: 500, timeoutMs: 200, servers: ["${dns.address}"]}}}]`;
  dns.answer = { kind: "silent" };
  const { program, ready, metric, told } = startGateway(text(a));
  expect(await ready()).toBe(503);
  await until(
    "trouble",
    async () => (await metric('holdfast_gateway_discovery_trouble{route="app"}')) === 1,
  );
  dns.answer = { kind: "a", addresses: ["127.0.0.1"] };
  await until("ready", async () => (await ready()) === 200);
  const client = await connect(program.port);
  expect(await ask(client, "x")).toBe("re:x@a");
  dns.answer = { kind: "unknown" };
  await until(
    "trouble",
    async () => (await metric('holdfast_gateway_discovery_trouble{route="app"}')) === 1,
  );
  await until("it is told", () => told.some(({ event }) => event === "discoveryTrouble"));
  // What was ready stays so: nobody else would serve these clients better.
  expect([await ready(), await ask(client, "y")]).toEqual([200, "re:y@a"]);
  dns.answer = { kind: "a", addresses: ["127.0.0.1"] };
  program.configure(configOf(text(b)));
  await until("it moved", async () => (await ask(client, "z")) === "re:z@b");
  expect(client.closed).toBeUndefined();
});

test("who asks too often is told when to come back, and others are let in", async () => {
  const a = new EchoServer("a");
  const { program, metric } = startGateway(`${routeTo([a])}\nadmission: {handshakesPerSecond: 5}`);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 30 }, () => connect(program.port)),
  );
  const taken = outcomes.filter(({ status }) => status === "fulfilled").length;
  expect(taken).toBeGreaterThanOrEqual(5);
  expect(taken).toBeLessThan(30);
  expect(await metric('holdfast_gateway_refused_total{route="app",status="429"}')).toBe(30 - taken);
});

test("clients with the same key share an endpoint, by header, cookie or query", async () => {
  const servers = ["a", "b", "c"].map((name) => new EchoServer(name));
  const { program } = startGateway(routeTo(servers, ", key: {query: room}"));
  const homes = new Map<string, Set<string>>();
  for (let i = 0; i < 40; i++) {
    const room = `r${i % 10}`;
    const answer = await ask(await connect(program.port, `/?room=${room}`), "x");
    homes.set(room, (homes.get(room) ?? new Set()).add(answer));
  }
  expect([...homes.values()].every(({ size }) => size === 1)).toBe(true);
  expect(new Set([...homes.values()].flatMap((one) => [...one])).size).toBeGreaterThan(1);
});

test("an endpoint that was added gets its share of the clients, and nobody is closed", async () => {
  const [a, b] = [new EchoServer("a"), new EchoServer("b")];
  const { program, metric, api } = startGateway(routeTo([a], ", rebalance: true"));
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect(program.port)));
  program.configure(configOf(routeTo([a, b], ", rebalance: true")));
  const moves = () => metric('holdfast_gateway_moves_total{route="app",cause="rebalance"}');
  await until("half of them moved", async () => ((await moves()) ?? 0) >= 10);
  const answers = await Promise.all(clients.map((client) => ask(client, "x")));
  expect(answers.filter((answer) => answer === "re:x@b").length).toBeGreaterThanOrEqual(8);
  expect(clients.every(({ closed }) => closed === undefined)).toBe(true);
  // It has come to rest.
  const settled = await moves();
  await Bun.sleep(2200);
  expect(await moves()).toBe(settled as number);
  expect((await api("GET", "routes")).body.routes[0].clients).toBe(20);
});

test("clients that are long on their way to an added endpoint are not followed by others", async () => {
  const slow = new EchoServer("b", { upgradeMs: 2500 });
  const servers = [new EchoServer("a"), slow];
  const { program, metric } = startGateway(routeTo(servers.slice(0, 1), ", rebalance: true"));
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect(program.port)));
  program.configure(configOf(routeTo(servers, ", rebalance: true")));
  const moves = () => metric('holdfast_gateway_moves_total{route="app",cause="rebalance"}');
  await until("they moved", async () => ((await moves()) ?? 0) >= 8);
  // Longer than a move takes: whoever followed, or went back, would be seen.
  await Bun.sleep(3000);
  expect(await moves()).toBe(10);
  const answers = await Promise.all(clients.map((client) => ask(client, "x")));
  expect(answers.filter((answer) => answer === "re:x@b").length).toBe(10);
});

test("a room is on one endpoint, also after one was added", async () => {
  const servers = ["a", "b", "c"].map((name) => new EchoServer(name));
  const text = (count: number) =>
    routeTo(servers.slice(0, count), ", key: {query: room}, rebalance: true");
  const { program } = startGateway(text(2));
  const rooms = Array.from({ length: 12 }, (_, i) => `r${i}`);
  const old = await Promise.all(rooms.map((room) => connect(program.port, `/?room=${room}`)));
  program.configure(configOf(text(3)));
  const late = await Promise.all(rooms.map((room) => connect(program.port, `/?room=${room}`)));
  const homes = (clients: typeof old) => Promise.all(clients.map((client) => ask(client, "x")));
  const wanted = await homes(late);
  expect(wanted).toContain("re:x@c");
  await until("both are there", async () => String(await homes(old)) === String(wanted));
  expect([...old, ...late].every(({ closed }) => closed === undefined)).toBe(true);
});

/** One handshake from an address of loopback; its status. */
function knockFrom(localAddress: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTcp({ port, host: "127.0.0.1", localAddress });
    const end = (status: string) => {
      socket.destroy();
      resolve(status);
    };
    socket.on("data", (data) => end(data.toString("latin1").split(" ")[1] ?? ""));
    socket.on("error", () => end("error"));
    socket.write(
      [
        ...["GET / HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: websocket"],
        ...["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "\r\n"],
      ].join("\r\n"),
    );
  });
}

test("an address that floods with handshakes does not keep others out", async () => {
  const a = new EchoServer("a");
  const { program } = startGateway(`${routeTo([a])}\nadmission: {handshakesPerSecond: 20}`);
  let isOver = false;
  const statuses: string[] = [];
  const flood = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (!isOver) statuses.push(await knockFrom("127.0.0.2", program.port));
    }),
  );
  await until("it floods", () => statuses.length > 200);
  const others: string[] = [];
  for (let i = 0; i < 6; i++) {
    others.push(await knockFrom(`127.0.0.${10 + i}`, program.port));
    await Bun.sleep(100);
  }
  isOver = true;
  await flood;
  expect(others).toEqual(Array<string>(6).fill("101"));
  expect(statuses.filter((status) => status === "429").length).toBeGreaterThan(100);
});
