// Owns: the sink for streams of Redis against a real server.
import { afterAll, expect, test } from "bun:test";
import { sinkAdapters } from "@holdfast/sinks/adapters";
import { type Arrived, describeSink, sinkRecord } from "@holdfast/testkit/contract";
import { startServer, stopServers } from "../redis/servers.ts";

const server = await startServer({ persistence: "aof" });
afterAll(() => stopServers([server]));
await server.ask(
  ...["ACL", "SETUSER", "writer", "on", ">secret-of-redis", "~*"],
  ...["+eval", "+time", "+zadd", "+zremrangebyscore", "+xadd", "+pexpire", "+hello", "+client"],
);
await server.ask("ACL", "SETUSER", "reader", "on", ">secret-of-redis", "~*", "+hello", "+client");
await server.ask("CONFIG", "REWRITE").catch(() => {});

const adapter = sinkAdapters({ print: async () => {} }).find(({ kind }) => kind === "redisStream");
if (adapter === undefined) throw new Error("no redisStream adapter");

const urlOf = (user: string, password: string): string =>
  `redis://${user}:${password}@127.0.0.1:${server.port}`;
/** The server forgets users with its process. */
const power = {
  off: () => server.kill(),
  async on() {
    await server.restart();
    await server.ask(
      ...["ACL", "SETUSER", "writer", "on", ">secret-of-redis", "~*"],
      ...["+eval", "+time", "+zadd", "+zremrangebyscore", "+xadd", "+pexpire", "+hello", "+client"],
    );
  },
};

const secrets = { REDIS_URL: urlOf("writer", "secret-of-redis") };

async function read(stream: string): Promise<Arrived[]> {
  const entries = (await server.ask("XRANGE", stream, "-", "+")) as [string, string[]][];
  return entries.map(([, [, id = "", , key = "", , , , value = "null"]]) => ({
    id,
    key,
    value: JSON.parse(value),
  }));
}

let streams = 0;
let isOff = false;

describeSink("Redis Streams", async () => {
  const stream = `s${++streams}`;
  const options = { urlFrom: "REDIS_URL", stream };
  return {
    adapter,
    options,
    secrets,
    read: () => read(stream),
    isOnce: true,
    power: {
      async off() {
        isOff = true;
        await power.off();
      },
      async on() {
        if (isOff) await power.on();
        isOff = false;
      },
    },
    freeze: { on: () => server.freeze(), off: () => server.thaw() },
    strangers: [
      { what: "a wrong password", secrets: { REDIS_URL: urlOf("writer", "secret-wrong") } },
      { what: "no URL", secrets: { REDIS_URL: "secret of another kind" } },
    ],
    wrong: [
      {},
      { ...options, stream: "" },
      { ...options, stream: "{" },
      { ...options, entriesMax: 0 },
      { ...options, onceMs: 1 },
      { urlFrom: "redis://a secret", stream },
    ],
    close: async () => {
      server.thaw();
      if (isOff) await power.on();
      isOff = false;
    },
  };
});

test("a stream is bounded if that is asked; templates choose it; a full server is busy", async () => {
  const options = { urlFrom: "REDIS_URL", stream: "heat:{site}", entriesMax: 100 };
  expect(adapter.problems(options)).toEqual([]);
  const sink = adapter.open(
    { sink: "redisStream", options },
    { pipeline: "p", partition: 0, output: 0, timeoutMs: 5_000, secret: () => secrets.REDIS_URL },
  );
  const write = (first: number) =>
    sink.write({
      ...{ pipeline: "p", partition: 0, output: 0, attempt: 1 },
      records: Array.from({ length: 500 }, (_, index) => ({
        ...sinkRecord(first + index),
        params: { site: index === 7 ? "{bad}" : `site ${index % 2}` },
      })),
    });
  expect((await write(1))?.refused.map(({ index }) => index)).toEqual([7]);
  await write(1_001);
  const found = await read("heat:site 0");
  expect(found.length).toBeLessThan(300);
  expect(found.at(-1)?.id).toBe(sinkRecord(1_499).id);
  await server.ask("CONFIG", "SET", "maxmemory", "1");
  expect(await write(2_001).catch((error: { code: string }) => error.code)).toBe("busy");
  await server.ask("CONFIG", "SET", "maxmemory", "0");
  await sink.close();
});
