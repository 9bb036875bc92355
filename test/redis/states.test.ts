// Owns: state with one writer on real servers that die, are full, have their clocks set back, or
// get a write late.
import { afterAll, expect, test } from "bun:test";
import { connect, createServer, type Socket } from "node:net";
import type { Broker, HeldState } from "@holdfast/core";
import { patience } from "../patience.ts";
import { freshPrefix, openBroker, QUICK } from "./harness.ts";
import { type ServerOptions, startServer, stopServers, type TestServer } from "./servers.ts";

const servers: TestServer[] = [];
const brokers: Broker[] = [];
afterAll(async () => {
  for (const broker of brokers) await broker.close();
  await stopServers(servers);
});

const MINUTE = { leaseMs: 60_000, keepMs: 60_000 };
const LIMIT_MS = patience(30_000);

async function start(options: ServerOptions = {}): Promise<TestServer> {
  const server = await startServer(options);
  servers.push(server);
  return server;
}

async function open(url: string): Promise<Broker> {
  const broker = await openBroker(url, { ...QUICK, requestMs: patience(1_000) });
  brokers.push(broker);
  return broker;
}

const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);
const bytesOf = (value: string): Uint8Array => new TextEncoder().encode(value);

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "done",
    (error: { code: string }) => error.code,
  );

/** Repeats a call while the server is away. */
async function again<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const { code } = error as { code: string };
      if (code !== "unavailable" && code !== "timeout") throw error;
      await Bun.sleep(5);
    }
  }
}

async function taken(broker: Broker, key: string, owner: string): Promise<HeldState> {
  const held = await broker.states.take(key, { owner, leaseMs: 60_000 });
  if (held === undefined) throw new Error("not taken");
  return held;
}

test(
  "a server that is killed between a write and its answer: the write is repeated, and none that was answered is lost",
  async () => {
    const server = await start({ persistence: "aof" });
    const broker = await open(`${server.url}?prefix=${freshPrefix()}`);
    const held = await taken(broker, "k", "one");
    for (let round = 0; round < 4; round++) {
      const writing = (async () => {
        for (let number = 0; number < 40; number++) {
          const value = bytesOf(`${round}/${number}`);
          await again(() => broker.states.write("k", held, value, MINUTE));
          expect(text((await again(() => broker.states.read("k")))?.value)).toBe(
            `${round}/${number}`,
          );
        }
      })();
      await server.kill();
      await server.restart();
      await writing;
    }
    expect(await again(() => broker.states.read("k"))).toMatchObject({
      value: bytesOf("3/39"),
      owner: "one",
      fence: held.fence,
    });
  },
  LIMIT_MS,
);

test(
  "a server that comes back empty fences every hold, and the next fence is higher",
  async () => {
    const server = await start();
    const broker = await open(`${server.url}?prefix=${freshPrefix()}`);
    const held = await taken(broker, "k", "one");
    await broker.states.write("k", held, bytesOf("v"), MINUTE);
    await server.kill();
    await server.restart({ empty: true });
    const write = () => broker.states.write("k", held, bytesOf("w"), MINUTE);
    expect(await codeOf(again(write))).toBe("fenced");
    const next = await taken(broker, "k", "one");
    expect(next.value).toBeUndefined();
    expect(next.fence).toBeGreaterThan(held.fence);
  },
  LIMIT_MS,
);

test(
  "a write that was given up and arrives late does not replace a later one",
  async () => {
    const server = await start();
    const wire = await layLateWire(server.port);
    const query = `?prefix=${freshPrefix()}`;
    const far = await open(server.url + query);
    const near = await open(`redis://127.0.0.1:${wire.port}${query}`);
    const held = await taken(near, "k", "one");
    wire.hold();
    const lost = codeOf(near.states.write("k", held, bytesOf("early"), MINUTE));
    await wire.holding("early");
    wire.drop();
    expect(["unavailable", "timeout"]).toContain(await lost);
    await again(() => near.states.write("k", held, bytesOf("later"), MINUTE));
    await wire.deliver();
    expect(text((await far.states.read("k"))?.value)).toBe("later");
    await wire.close();
  },
  LIMIT_MS,
);

test("a server whose clock was set back keeps a lease no longer than it was given", async () => {
  const server = await start();
  const prefix = freshPrefix();
  const broker = await open(`${server.url}?prefix=${prefix}`);
  const held = await broker.states.take("k", { owner: "one", leaseMs: 500 });
  expect(held?.owner).toBe("one");
  const [key = ""] = (await server.ask("KEYS", `${prefix}*:v:k`)) as string[];
  // As it looks after the clock went back by an hour.
  await server.ask("HINCRBY", key, "u", "3600000");
  await server.ask("PEXPIRE", key, "3600500");
  const free = { owner: "two", leaseMs: 500, ifFree: true };
  const before = await broker.states.read("k");
  expect(before?.leaseMs).toBeLessThanOrEqual(500);
  expect(await broker.states.take("k", free)).toBeUndefined();
  const again = async (): Promise<HeldState> => {
    for (;;) {
      const found = await broker.states.take("k", free);
      if (found !== undefined) return found;
      await Bun.sleep(20);
    }
  };
  const next = await again();
  expect(next.fence).toBeGreaterThan(held?.fence ?? 0);
});

test("a full server refuses what grows, and takes takes, renewals, shorter values and releases", async () => {
  const server = await start();
  const broker = await open(`${server.url}?prefix=${freshPrefix()}`);
  const held = await taken(broker, "k", "one");
  await broker.states.write("k", held, bytesOf("four"), MINUTE);
  await server.ask("CONFIG", "SET", "maxmemory", "1");
  const write = (value: string | undefined) =>
    codeOf(broker.states.write("k", held, value === undefined ? value : bytesOf(value), MINUTE));
  expect(await write("fives")).toBe("full");
  expect(await codeOf(taken(broker, "new", "one"))).toBe("full");
  expect(await write("4444")).toBe("done");
  expect(await broker.states.renew([{ key: "k", ...held }], 60_000)).toEqual([]);
  const next = await taken(broker, "k", "two");
  expect(text(next.value)).toBe("4444");
  await broker.states.write("k", next, undefined, MINUTE);
  await broker.states.release("k", next);
  expect(await broker.states.read("k")).toBeUndefined();
  expect(await broker.states.list({ prefix: "", limit: 10 })).toEqual([]);
});

test("names of states that have ended leave the index with the next listing", async () => {
  const server = await start();
  const prefix = freshPrefix();
  const broker = await open(`${server.url}?prefix=${prefix}`);
  await Promise.all(
    Array.from({ length: 300 }, (_, index) =>
      broker.states.take(`k${index}`, { owner: "one", leaseMs: 1 }),
    ),
  );
  const count = async (pattern: string): Promise<number> =>
    ((await server.ask("KEYS", prefix + pattern)) as string[]).length;
  while ((await count("*:v:*")) > 0) await Bun.sleep(5);
  expect(await broker.states.list({ prefix: "", limit: 10 })).toEqual([]);
  expect(await count("{state:*names")).toBe(0);
});

/** A wire that can keep what a node sends, lose the node, and hand it to the server later. */
async function layLateWire(to: number) {
  const nears = new Set<Socket>();
  const kept: { readonly far: Socket; readonly chunks: Buffer[] }[] = [];
  let isHolding = false;
  const server = createServer((near) => {
    const far = connect({ host: "127.0.0.1", port: to });
    const entry = { far, chunks: [] as Buffer[] };
    kept.push(entry);
    nears.add(near);
    near.on("data", (chunk: Buffer) => {
      if (isHolding) entry.chunks.push(chunk);
      else far.write(chunk);
    });
    far.on("data", (chunk) => void near.write(chunk));
    for (const socket of [near, far]) socket.on("error", () => {});
    near.on("close", () => nears.delete(near));
  });
  await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1" }, resolve));
  const address = server.address();
  const holds = (word: string) =>
    kept.find(({ chunks }) => Buffer.concat(chunks).includes(word)) !== undefined;
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    hold: () => {
      isHolding = true;
    },
    async holding(word: string) {
      while (!holds(word)) await Bun.sleep(2);
    },
    drop() {
      isHolding = false;
      for (const near of nears) near.destroy();
    },
    /** Waits until the server has answered what was kept. */
    async deliver() {
      for (const { far, chunks } of kept) {
        if (chunks.length === 0) continue;
        const answered = new Promise<void>((resolve) => far.once("data", () => resolve()));
        far.write(Buffer.concat(chunks));
        await answered;
      }
    },
    async close() {
      for (const { far } of kept) far.destroy();
      for (const near of nears) near.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
