// Owns: what a node and a back end are told when servers refuse, and that readiness says the same.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import type { StreamOptions } from "@holdfast/contract";
import type { Broker } from "@holdfast/core";
import { startNode } from "../integration/start-node.ts";
import { patience } from "../patience.ts";
import { freshPrefix, openBroker } from "./harness.ts";
import { startCluster, startServer, stopServers, type TestServer, within } from "./servers.ts";

setDefaultTimeout(patience(40_000));

const ORDERED: StreamOptions = { cls: "ordered", sizeMax: 100, ttlMs: 60_000 };
const LATEST: StreamOptions = { ...ORDERED, cls: "latest" };
const VOLATILE: StreamOptions = { cls: "volatile", sizeMax: 0, ttlMs: 60_000 };

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const publish = (broker: Broker): Promise<unknown> =>
  broker.publish("c", ORDERED, { payload: { kind: "json", text: "1" } });

interface Case {
  readonly what: string;
  readonly config?: readonly string[];
  /** Makes the server refuse publishes, and take them again. */
  refuse(server: TestServer): Promise<unknown>;
  heal(server: TestServer): Promise<unknown>;
  readonly code: string;
  readonly words: RegExp;
  /** What clients and back ends are told. */
  readonly told: string;
}

const set = (server: TestServer, name: string, value: string): Promise<unknown> =>
  server.ask("CONFIG", "SET", name, value);
const revoke = (server: TestServer, rule: string): Promise<unknown> =>
  server.ask("ACL", "SETUSER", "default", rule);

const CASES: readonly Case[] = [
  {
    what: "at maxmemory with noeviction",
    refuse: (server) => set(server, "maxmemory", "1"),
    heal: (server) => set(server, "maxmemory", "0"),
    code: "full",
    words: /at maxmemory/,
    told: "broker_full",
  },
  {
    what: "with fewer replicas than min-replicas-to-write",
    refuse: (server) => set(server, "min-replicas-to-write", "1"),
    heal: (server) => set(server, "min-replicas-to-write", "0"),
    code: "unavailable",
    words: /replicas/,
    told: "broker_unavailable",
  },
  {
    what: "that was made a replica of one out of reach",
    refuse: (server) => server.ask("REPLICAOF", "127.0.0.1", "1"),
    heal: (server) => server.ask("REPLICAOF", "NO", "ONE"),
    code: "unavailable",
    words: /replica|out of reach/,
    told: "broker_unavailable",
  },
  {
    what: "that was made a replica of one that follows",
    refuse: async (server) => {
      const primary = await startServer();
      cleanups.push(() => stopServers([primary]));
      await server.ask("REPLICAOF", "127.0.0.1", String(primary.port));
    },
    heal: (server) => server.ask("REPLICAOF", "NO", "ONE"),
    code: "unavailable",
    words: /replica|out of reach/,
    told: "broker_unavailable",
  },
  {
    what: "whose account lost a command that only the scripts call",
    refuse: (server) => revoke(server, "-xadd"),
    heal: (server) => revoke(server, "+xadd"),
    code: "refused",
    words: /lacks.*xadd/,
    told: "broker_refused",
  },
  {
    what: "whose account lost the scripts",
    refuse: (server) => revoke(server, "-evalsha"),
    heal: (server) => revoke(server, "+evalsha"),
    code: "refused",
    words: /lacks/,
    told: "broker_refused",
  },
  {
    what: "whose account lost its keys",
    refuse: (server) => revoke(server, "resetkeys"),
    heal: (server) => revoke(server, "allkeys"),
    code: "refused",
    words: /lacks/,
    told: "broker_refused",
  },
];

const refusalOf = (call: Promise<unknown>): Promise<{ code: string; message: string }> =>
  call.then(
    () => ({ code: "none", message: "" }),
    (error: { code: string; message: string }) => error,
  );

for (const { what, refuse, heal, code, words, told } of CASES) {
  test(`a server ${what} refuses as ${code}; nodes are not ready and say ${told}`, async () => {
    const server = await startServer();
    cleanups.push(() => stopServers([server]));
    const url = `${server.url}?prefix=${freshPrefix()}`;
    const broker = await openBroker(url);
    cleanups.push(() => broker.close());
    const { node, internalUrl, bugs } = await startNode({ env: { HOLDFAST_BROKER_URL: url } });
    cleanups.push(() => node.stop());
    const ready = async (): Promise<number> => (await fetch(`${internalUrl}/readyz`)).status;
    const say = () => node.control.publish("chat:a", { payload: { kind: "json", text: "1" } });
    await publish(broker);
    expect([await ready(), (await say()).ok]).toEqual([200, true]);

    await refuse(server);
    for (const call of [publish(broker), broker.probe()]) {
      const refusal = await refusalOf(call);
      expect(refusal.code).toBe(code);
      expect(refusal.message).toMatch(words);
    }
    expect(await say()).toMatchObject({ ok: false, code: told });
    await within(10_000, "not ready", async () => (await ready()) === 503);
    expect(await (await fetch(`${internalUrl}/readyz`)).text()).toContain(`(${code})`);

    await heal(server);
    await within(10_000, "ready again", async () => (await ready()) === 200);
    await publish(broker);
    expect((await say()).ok).toBe(true);
    expect(bugs).toEqual([]);
  });
}

test("a full server: nothing new is kept, not even in new channels; leases, leaves, readers and listeners go on", async () => {
  const server = await startServer();
  cleanups.push(() => stopServers([server]));
  const [broker, other] = await Promise.all([openBroker(server.url), openBroker(server.url)]);
  cleanups.push(() => Promise.all([broker.close(), other.close()]));
  const heard: string[] = [];
  await other.subscribe("c", ORDERED, {
    publication: ({ offset }) => heard.push(`published ${offset}`),
    removed: (offset) => heard.push(`removed ${offset}`),
    presence: (change) => heard.push(change.kind),
  });
  await publish(broker);
  await broker.presence.enter("c", { member: "m1" }, "n1/1");
  await broker.presence.enter("c", { member: "m2" }, "n1/2");
  await broker.presence.renew("n1", 60_000);

  await set(server, "maxmemory", "1");
  for (const stream of [ORDERED, LATEST, VOLATILE]) {
    for (const channel of ["c", `new ${stream.cls}`]) {
      const request = {
        payload: { kind: "json", text: "1" },
        key: "k",
        idempotencyKey: "i",
      } as const;
      expect((await refusalOf(broker.publish(channel, stream, request))).code).toBe("full");
    }
  }
  expect((await refusalOf(broker.presence.enter("c", { member: "m3" }, "n1/3"))).code).toBe("full");
  await broker.presence.renew("n1", 60_000);
  await broker.presence.leave("c", "m1", "n1/1", 0);
  await broker.presence.leave("c", "m2", "n1/2", 200);
  expect((await broker.history("c", ORDERED, { limit: 10 })).publications.length).toBe(1);
  await broker.subscribe("c", ORDERED, { publication() {}, removed() {}, presence() {} });
  await broker.removeHistory("c", ORDERED);
  await within(5_000, "the end of the grace", async () => heard.length === 6);
  expect(heard).toEqual(["published 1", "join", "join", "leave", "removed 1", "leave"]);
});

test("a full server that restarts is read and listened to as before", async () => {
  const server = await startServer({ persistence: "aof" });
  cleanups.push(() => stopServers([server]));
  const broker = await openBroker(server.url);
  cleanups.push(() => broker.close());
  await broker.subscribe("c", ORDERED, { publication() {}, removed() {}, presence() {} });
  await publish(broker);
  await set(server, "maxmemory", "1");
  await server.ask("CONFIG", "REWRITE");
  await server.kill();
  await server.restart();
  await within(10_000, "the broker", async () => {
    const page = await broker.history("c", ORDERED, { limit: 10 });
    expect(page.publications.length).toBe(1);
    return (await refusalOf(broker.probe())).code === "full";
  });
});

test("a probe is no channel, and its keys are gone soon after the node", async () => {
  const server = await startServer();
  cleanups.push(() => stopServers([server]));
  const prefix = freshPrefix();
  const broker = await openBroker(`${server.url}?prefix=${prefix}`);
  cleanups.push(() => broker.close());
  for (let times = 0; times < 3; times++) await broker.probe();
  expect(await broker.channels({ prefix: "", limit: 10 })).toEqual([]);
  const keys = (await server.ask("KEYS", `${prefix}*probe*`)) as string[];
  expect(keys.length).toBeGreaterThan(0);
  expect(keys.length).toBeLessThan(6);
  for (const key of keys) {
    expect(Number(await server.ask("PTTL", key))).toBeWithin(1, 60_001);
    expect(Number(await server.ask("MEMORY", "USAGE", key))).toBeLessThan(6_000);
  }
});

test("a node of a cluster behind the URL of one server is told as such", async () => {
  const cluster = await startCluster({ replicas: false });
  cleanups.push(() => cluster.stop());
  const refusals = await Promise.all(cluster.servers.map(({ url }) => refusalOf(openBroker(url))));
  // The node that has the slot of the bus can be connected to.
  expect(refusals.filter(({ code }) => code !== "none").length).toBeGreaterThanOrEqual(2);
  for (const { code, message } of refusals)
    if (code !== "none") expect(message).toContain("redis+cluster://");
});

test("every primary is probed: one of several that takes no writes makes the node not ready", async () => {
  const servers = await Promise.all([startServer(), startServer(), startServer()]);
  cleanups.push(() => stopServers(servers));
  const broker = await openBroker(servers.map(({ url }) => url).join(","));
  cleanups.push(() => broker.close());
  await broker.probe();
  for (const server of servers) {
    await set(server, "min-replicas-to-write", "1");
    expect((await refusalOf(broker.probe())).code).toBe("unavailable");
    await set(server, "min-replicas-to-write", "0");
    await broker.probe();
  }
});
