// Checks what decides where a client goes, and what its server hears of it: revisions and their
// cohorts, slow servers, tries, request ids. Real sockets.
import { expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../../../test/patience.ts";
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

const endpoint = ({ address }: EchoServer, revision: string) =>
  `{address: "${address}", revision: ${revision}}`;
const canary = (servers: readonly [EchoServer, EchoServer], percent: number) =>
  `routes: [{name: app, profile: stateless, slowStartMs: 0, cohorts: {weights: {v2: ${percent}}, key: {query: user}}, service: {static: [${endpoint(servers[0], "v1")}, ${endpoint(servers[1], "v2")}]}}]`;

test("clients are divided among revisions by their key, and stay in their cohort", async () => {
  const servers = [new EchoServer("v1"), new EchoServer("v2")] as const;
  const { program } = startGateway(canary(servers, 30));
  const homeOf = async (user: number): Promise<string> => {
    const client = await connect(program.port, `/?user=u${user}`);
    const home = (await ask(client, "x")).split("@")[1] ?? "";
    client.socket.close();
    return home;
  };
  const first = await Promise.all(Array.from({ length: 100 }, (_, user) => homeOf(user)));
  const share = first.filter((home) => home === "v2").length;
  expect(share).toBeGreaterThan(10);
  expect(share).toBeLessThan(55);
  expect(await Promise.all(first.map((_, user) => homeOf(user)))).toEqual(first);
  // Requests that ask for no socket follow the same cohort.
  const pages = await Promise.all(
    first.map(async (_, user) =>
      (await fetch(`http://127.0.0.1:${program.port}/?user=u${user}`)).text(),
    ),
  );
  expect(pages).toEqual(first.map((home) => `GET ${home}`));
  program.configure(configOf(canary(servers, 60)));
  const later = await Promise.all(first.map((_, user) => homeOf(user)));
  // Nobody who had the new version goes back to the old one.
  expect(later.filter((home, user) => home === "v1" && first[user] === "v2")).toEqual([]);
  expect(later.filter((home) => home === "v2").length).toBeGreaterThan(share);
});

test("a client of a cohort moves within it, and elsewhere if there is nobody of it", async () => {
  const [old, one, two] = [new EchoServer("old"), new EchoServer("one"), new EchoServer("two")];
  const { program, api } = startGateway(
    `routes: [{name: app, profile: stateless, slowStartMs: 0, cohorts: {weights: {v2: 100}}, service: {static: [${endpoint(old, "v1")}, ${endpoint(one, "v2")}, ${endpoint(two, "v2")}]}}]`,
  );
  const clients = await Promise.all(Array.from({ length: 6 }, () => connect(program.port)));
  const homes = () =>
    Promise.all(clients.map(async (each) => (await ask(each, "x")).split("@")[1]));
  expect(new Set(await homes())).toEqual(new Set(["one", "two"]));
  const drain = (server: EchoServer) =>
    api("POST", `endpoints/app/${encodeURIComponent(server.address)}/drain`, { token: 1 });
  await drain(one);
  await until("they moved", async () => new Set(await homes()).size === 1);
  expect(new Set(await homes())).toEqual(new Set(["two"]));
  await drain(two);
  await until("they moved on", async () => (await homes()).every((home) => home === "old"));
  expect(clients.filter(({ closed }) => closed !== undefined)).toEqual([]);
  const heard = (server: EchoServer) =>
    new Set(server.headers.map((headers) => headers.get("holdfast-revision")));
  expect([heard(old), heard(two)]).toEqual([new Set(["v1"]), new Set(["v2"])]);
});

test("a client cannot say a revision of its own", async () => {
  const a = new EchoServer("a");
  const { program } = startGateway(
    `routes: [{name: app, profile: stateless, service: {static: ["${a.address}"]}}]`,
  );
  await fetch(`http://127.0.0.1:${program.port}/`, { headers: { "holdfast-revision": "v9" } });
  await connect(program.port);
  expect(a.headers.map((headers) => headers.get("holdfast-revision"))).toEqual([null, null]);
});

test("each request has an id: its server, its answer, the log and the list of sessions say it", async () => {
  const a = new EchoServer("a");
  const { program, api, told } = startGateway(
    `routes: [{name: app, path: /app, profile: stateless, service: {static: ["${a.address}"]}}, {name: none, path: /none, service: {static: ["127.0.0.1:1"]}}]`,
  );
  const get = async (path: string) =>
    (
      await fetch(`http://127.0.0.1:${program.port}${path}`, {
        headers: { "x-request-id": "of the client\u00e9" },
      })
    ).headers.get("x-request-id");
  const id = await get("/app");
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(a.headers.at(-1)?.get("x-request-id")).toBe(id);
  const failed = await get("/none");
  expect(told).toContainEqual({
    event: "answered",
    fields: { route: "none", status: 502, isUpgrade: false, requestId: failed },
  });
  await connect(program.port, "/app");
  const session = (await api("GET", "sessions")).body.sessions[0];
  expect(a.headers.at(-1)?.get("x-request-id")).toBe(session.requestId);
  expect(a.headers.at(-1)?.get("holdfast-session")).toBe(session.id);
});

test("a route may ask fewer or more servers before it gives up", async () => {
  const bad = Array.from({ length: 5 }, () => {
    let asked = 0;
    const server = Bun.serve({
      ...{ port: 0, hostname: "127.0.0.1" },
      fetch() {
        asked += 1;
        return new Response("", { status: 503 });
      },
    });
    opened.push({ stop: () => void server.stop(true) });
    return { address: `"127.0.0.1:${server.port}"`, asked: () => asked };
  });
  const sum = () => bad.reduce((all, { asked }) => all + asked(), 0);
  const text = (tries: number) =>
    `routes: [{name: app, profile: stateless, triesMax: ${tries}, health: {failuresMax: 1000}, service: {static: [${bad.map(({ address }) => address).join(", ")}]}}]`;
  const { program } = startGateway(text(1));
  await expect(connect(program.port)).rejects.toThrow();
  expect(sum()).toBe(1);
  program.configure(configOf(text(5)));
  await expect(connect(program.port)).rejects.toThrow();
  expect([sum(), bad.every(({ asked }) => asked() > 0)]).toEqual([6, true]);
});

test("a server whose handshakes take long gets no clients for a while, and is shown as ill", async () => {
  const servers = Array.from({ length: 4 }, (_, index) => {
    const server = Bun.serve({
      ...{ port: 0, hostname: "127.0.0.1" },
      async fetch(request, self) {
        if (index === 3) await Bun.sleep(patience(150));
        return self.upgrade(request) ? undefined : new Response("");
      },
      websocket: { message() {} },
    });
    opened.push({ stop: () => void server.stop(true) });
    return `127.0.0.1:${server.port}`;
  });
  const { program, api } = startGateway(
    `routes: [{name: app, profile: stateless, slowStartMs: 0, health: {slowFactor: 3, slowMsMin: ${patience(30)}, illMs: 1h, illMsMax: 1h}, service: {static: [${servers.map((one) => `"${one}"`).join(", ")}]}}]`,
  );
  const states = async () => {
    const { body } = await api("GET", "endpoints");
    return Object.fromEntries(
      body.endpoints.map((one: { address: string; state: string }) => [one.address, one.state]),
    );
  };
  for (let round = 0; round < 20 && (await states())[servers[3] ?? ""] !== "ill"; round++)
    await Promise.all(Array.from({ length: 8 }, () => connect(program.port)));
  expect(await states()).toEqual({
    ...Object.fromEntries(servers.slice(0, 3).map((one) => [one, "taking"])),
    [servers[3] ?? ""]: "ill",
  });
});
