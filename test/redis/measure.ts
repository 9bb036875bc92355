// Owns: figures of the Redis broker for docs/operations/redis.md: `bun test/redis/measure.ts`.
// Takes about half a minute.
import type { StreamOptions } from "@holdfast/contract";
import type { Broker } from "@holdfast/core";
import { openBroker } from "./harness.ts";
import { startServer, stopServers, type TestServer } from "./servers.ts";

const ORDERED: StreamOptions = { cls: "ordered", sizeMax: 100, ttlMs: 600_000 };
const LATEST: StreamOptions = { cls: "latest", sizeMax: 100, ttlMs: 600_000 };
const VOLATILE: StreamOptions = { cls: "volatile", sizeMax: 0, ttlMs: 60_000 };
const TEXT = JSON.stringify("x".repeat(98));
const CHANNELS = 100;

const redis = await startServer();
const broker = await openBroker(redis.url, {});
console.log(
  "| load | publishes/s | user us for each, node | user + system us for each, server |\n|---|---|---|---|",
);
await load("ordered, one by one", ORDERED, { count: 5_000, inFlight: 1 });
await load("ordered, 100 in flight", ORDERED, { count: 50_000, inFlight: 100 });
await load("ordered, 100 in flight, idempotency keys", ORDERED, {
  count: 50_000,
  inFlight: 100,
  keys: true,
});
await load("volatile, 100 in flight", VOLATILE, { count: 50_000, inFlight: 100 });
await load("latest, 100 in flight, 10 keys", LATEST, { count: 50_000, inFlight: 100 });
for (let index = 0; index < CHANNELS; index++)
  await broker.subscribe(`m${index}`, ORDERED, { publication() {}, removed() {}, presence() {} });
await load("ordered, 100 in flight, idempotency keys, the same node listens", ORDERED, {
  count: 50_000,
  inFlight: 100,
  keys: true,
});
await broker.close();
await stopServers([redis]);
await memory();
await listeners();
process.exit(0);

async function load(
  name: string,
  stream: StreamOptions,
  how: { count: number; inFlight: number; keys?: boolean },
): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < how.count) {
      const n = next++;
      await broker.publish(`m${n % CHANNELS}`, stream, {
        payload: { kind: "json", text: TEXT },
        ...(stream.cls === "latest" ? { key: `k${n % 10}` } : {}),
        ...(how.keys === true ? { idempotencyKey: `${name}-${n}`.slice(-26) } : {}),
      });
    }
  };
  const serverBefore = await serverCpu(redis);
  const before = process.cpuUsage();
  const fromMs = performance.now();
  await Promise.all(Array.from({ length: how.inFlight }, one));
  const ms = performance.now() - fromMs;
  const { user } = process.cpuUsage(before);
  const server = (await serverCpu(redis)) - serverBefore;
  console.log(
    `| ${name} | ${Math.round((how.count / ms) * 1_000)} | ${(user / how.count).toFixed(1)} | ${(server / how.count).toFixed(1)} |`,
  );
}

/** Microseconds. */
async function serverCpu(server: TestServer): Promise<number> {
  const info = String(await server.ask("INFO", "cpu"));
  const read = (name: string) => Number(new RegExp(`${name}:([0-9.]+)`).exec(info)?.[1] ?? 0);
  return (read("used_cpu_user") + read("used_cpu_sys")) * 1_000_000;
}

async function used(server: TestServer): Promise<number> {
  return Number(
    /used_memory_dataset:(\d+)/.exec(String(await server.ask("INFO", "memory")))?.[1] ?? 0,
  );
}

/**
 * What more nodes that listen to a channel cost the server: CPU and traffic of a publication, by
 * their number.
 */
async function listeners(): Promise<void> {
  const count = 10_000;
  console.log(
    "\n| nodes that listen | user + system us for each publish, server | bytes in | bytes out |\n|---|---|---|---|",
  );
  for (const nodes of [0, 1, 10, 30]) {
    const server = await startServer();
    const publisher = await openBroker(server.url, {});
    const all = await Promise.all(Array.from({ length: nodes }, () => openBroker(server.url, {})));
    for (const one of all)
      for (let index = 0; index < CHANNELS; index++)
        await one.subscribe(`m${index}`, ORDERED, {
          publication() {},
          removed() {},
          presence() {},
        });
    const before = await traffic(server);
    let next = 0;
    const one = async (): Promise<void> => {
      for (let n = next++; n < count; n = next++)
        await publisher.publish(`m${n % CHANNELS}`, ORDERED, {
          payload: { kind: "json", text: TEXT },
        });
    };
    await Promise.all(Array.from({ length: 100 }, one));
    await Bun.sleep(300);
    const after = await traffic(server);
    const each = (name: keyof typeof after): string =>
      ((after[name] - before[name]) / count).toFixed(1);
    console.log(`| ${nodes} | ${each("cpuUs")} | ${each("inBytes")} | ${each("outBytes")} |`);
    await Promise.all([publisher, ...all].map((broker) => broker.close()));
    await stopServers([server]);
  }
}

async function traffic(
  server: TestServer,
): Promise<{ readonly cpuUs: number; readonly inBytes: number; readonly outBytes: number }> {
  const info = String(await server.ask("INFO", "stats"));
  const read = (name: string) => Number(new RegExp(`${name}:([0-9]+)`).exec(info)?.[1] ?? 0);
  return {
    cpuUs: await serverCpu(server),
    inBytes: read("total_net_input_bytes"),
    outBytes: read("total_net_output_bytes"),
  };
}

/** What the server's data grows by. */
async function memory(): Promise<void> {
  console.log("\n| what | bytes |\n|---|---|");
  const measure = async (
    name: string,
    count: number,
    fill: (broker: Broker, index: number) => Promise<unknown>,
    setUp?: (broker: Broker) => Promise<unknown>,
  ) => {
    const server = await startServer();
    const filler = await openBroker(server.url, {});
    await setUp?.(filler);
    const before = await used(server);
    for (let from = 0; from < count; from += 1_000) {
      await Promise.all(
        Array.from({ length: Math.min(1_000, count - from) }, (_, index) =>
          fill(filler, from + index),
        ),
      );
    }
    console.log(`| ${name} | ${Math.round(((await used(server)) - before) / count)} |`);
    await filler.close();
    await stopServers([server]);
  };
  const payload = { kind: "json", text: TEXT } as const;
  const key = (index: number) => `0123456789abcdef${String(index).padStart(10, "0")}`;
  await measure(
    "a channel with one publication of 100 bytes (ordered), its name of 11 bytes",
    20_000,
    (one, index) => one.publish(`room:${String(index).padStart(6, "0")}`, ORDERED, { payload }),
  );
  await measure("a channel that counts only (volatile)", 20_000, (one, index) =>
    one.publish(`room:${String(index).padStart(6, "0")}`, VOLATILE, { payload }),
  );
  await measure("a channel that a node listens to, more", 20_000, (one, index) =>
    one.subscribe(`room:${String(index).padStart(6, "0")}`, VOLATILE, {
      publication() {},
      removed() {},
      presence() {},
    }),
  );
  await measure("a further publication of 100 bytes in a stream", 50_000, (one) =>
    one.publish("c", { ...ORDERED, sizeMax: 1_000_000 }, { payload }),
  );
  await measure("an idempotency key of 26 bytes, for 5 to 10 minutes", 50_000, (one, index) =>
    one.publish("c", VOLATILE, { payload, idempotencyKey: key(index) }),
  );
  await measure("a key of a latest channel, value of 100 bytes", 50_000, (one, index) =>
    one.publish("c", { ...LATEST, sizeMax: 1_000_000 }, { payload, key: `sensor-${index}` }),
  );
  await measure("a member with 60 bytes of data, id of 26 bytes", 50_000, (one, index) =>
    one.presence.enter(
      "c",
      {
        member: key(index),
        user: "user-12345",
        data: {
          kind: "json",
          text: '{"name":"Ada Lovelace","avatar":"a1b2c3","since":1700000000}',
        },
      },
      "node-abcdefgh/12345",
    ),
  );
}
