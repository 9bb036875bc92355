import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { StreamOptions } from "@holdfast/contract";
import { allMembers, type Broker, type ChannelListener, type PublishResult } from "@holdfast/core";
import type { Publication } from "@holdfast/protocol";
import { patience } from "../patience.ts";
import { freshPrefix, openBroker, QUICK } from "./harness.ts";
import {
  startCluster,
  startSentinel,
  startServer,
  stopServers,
  type TestServer,
  within,
} from "./servers.ts";

setDefaultTimeout(patience(40_000));

const ORDERED: StreamOptions = { cls: "ordered", sizeMax: 1_000, ttlMs: 600_000 };
const LATEST: StreamOptions = { cls: "latest", sizeMax: 100, ttlMs: 600_000 };
const VOLATILE: StreamOptions = { cls: "volatile", sizeMax: 0, ttlMs: 60_000 };

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function server(options: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
  const started = await startServer(options);
  cleanups.push(() => stopServers([started]));
  return started;
}

async function open(url: string, limits = QUICK): Promise<Broker> {
  const broker = await openBroker(url, limits);
  cleanups.push(() => broker.close());
  return broker;
}

class Heard implements ChannelListener {
  readonly all: { readonly epoch: string; readonly publication: Publication }[] = [];
  publication(publication: Publication, epoch: string): void {
    this.all.push({ epoch, publication });
  }
  removed(): void {}
  presence(): void {}
  get offsets(): number[] {
    return this.all.map(({ publication }) => publication.offset);
  }
}

const publish = (
  broker: Broker,
  value: unknown,
  stream = ORDERED,
  channel = "c",
  idempotencyKey?: string,
): Promise<PublishResult> =>
  broker.publish(channel, stream, {
    payload: { kind: "json", text: JSON.stringify(value) },
    ...(stream.cls === "latest" ? { key: "k" } : {}),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  });

async function fill(
  broker: Broker,
  count: number,
  stream = ORDERED,
  channel = "c",
): Promise<PublishResult[]> {
  const results: PublishResult[] = [];
  for (let value = 1; value <= count; value++)
    results.push(await publish(broker, value, stream, channel));
  return results;
}

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "none",
    (error: { code: string }) => error.code,
  );

const reachable = (broker: Broker): Promise<void> =>
  within(15_000, "the broker in reach", async () => {
    await broker.probe();
    return true;
  });

function counted(broker: Broker): { reconnects: number } {
  const count = { reconnects: 0 };
  broker.onReconnect(() => {
    count.reconnects += 1;
  });
  return count;
}

/** Everything that is kept, page by page, with the holes that the pages declare: `[from, to]`. */
async function readAll(
  broker: Broker,
  after = 0,
): Promise<{ offsets: number[]; holes: [number, number][]; head: number }> {
  const offsets: number[] = [];
  const holes: [number, number][] = [];
  for (let at = after, pages = 0; pages < 20; pages++) {
    const page = await broker.history("c", ORDERED, { after: at, limit: 100 });
    if (page.oldest > at + 1) holes.push([at + 1, page.oldest - 1]);
    offsets.push(...page.publications.map(({ offset }) => offset));
    at = offsets.at(-1) ?? page.oldest - 1;
    if (page.oldest - 1 > at) at = page.oldest - 1;
    if (at >= page.head) return { offsets, holes, head: page.head };
  }
  throw new Error("the pages do not end");
}

describe("a server that dies", () => {
  test("comes back with its data: nothing is renumbered, offsets go on far beyond, the hole is declared, what was kept is kept", async () => {
    const redis = await server({ persistence: "aof" });
    const broker = await open(redis.url);
    expect(broker.durable).toBe(true);
    const heard = new Heard();
    await broker.subscribe("c", ORDERED, heard);
    const before = await fill(broker, 20);
    const count = counted(broker);
    await redis.kill();
    expect(await codeOf(publish(broker, "lost"))).toBe("unavailable");
    expect(await codeOf(broker.probe())).toBe("unavailable");
    await redis.restart();
    await reachable(broker);
    await within(5_000, "a reconnect", async () => count.reconnects === 1);
    const { position } = await publish(broker, "after");
    expect(position.epoch).toBe(before[0]?.position.epoch ?? "");
    expect(position.offset).toBeGreaterThan(1_000_000_000);
    const all = await readAll(broker);
    expect(all.offsets).toEqual([
      ...before.map((result) => result.position.offset),
      position.offset,
    ]);
    expect(all.holes).toEqual([[21, position.offset - 1]]);
    await within(5_000, "the publication", async () => heard.offsets.at(-1) === position.offset);
  });

  test("comes back empty: a new epoch, also for who asks first by a position, and no offset of the old one", async () => {
    const redis = await server();
    const broker = await open(redis.url);
    expect(broker.durable).toBe(false);
    const heard = new Heard();
    await broker.subscribe("c", ORDERED, heard);
    const [first] = await fill(broker, 5);
    await redis.kill();
    await redis.restart();
    await reachable(broker);
    const page = await broker.history("c", ORDERED, { after: 5, limit: 10 });
    expect(page.epoch).not.toBe(first?.position.epoch ?? "");
    const { position } = await publish(broker, "new");
    expect(position).toEqual({ epoch: page.epoch, offset: 1 });
    await within(5_000, "the publication", async () => heard.all.at(-1)?.epoch === page.epoch);
  });

  test("emptied while it runs: the next publication begins an epoch, and every one of many losses another", async () => {
    const redis = await server();
    const broker = await open(redis.url);
    const epochs = new Set<string>();
    for (let round = 0; round < 20; round++) {
      epochs.add((await publish(broker, round)).position.epoch);
      await redis.ask("FLUSHALL");
    }
    expect(epochs.size).toBe(20);
  });

  test("idempotency keys outlive a restart with data", async () => {
    const redis = await server({ persistence: "aof" });
    const broker = await open(redis.url);
    const { position } = await publish(broker, 1, ORDERED, "c", "key");
    await redis.kill();
    await redis.restart();
    await reachable(broker);
    expect(await publish(broker, 1, ORDERED, "c", "key")).toEqual({
      position,
      duplicate: true,
    });
  });

  test("set back to an older copy within one life: what a node was told is not handed out again", async () => {
    const redis = await server();
    const prefix = freshPrefix();
    const broker = await open(`${redis.url}?prefix=${prefix}`);
    await broker.subscribe("c", ORDERED, new Heard());
    await fill(broker, 10);
    await redis.ask("HSET", `${prefix}{c}:m`, "o", "4");
    await redis.ask("DEL", `${prefix}{c}:s`);
    const count = counted(broker);
    await redis.ask("CLIENT", "KILL", "TYPE", "normal");
    await within(5_000, "a reconnect", async () => count.reconnects > 0);
    expect((await publish(broker, "x")).position.offset).toBeGreaterThan(1_000_000_010);
  });

  test("without its scripts: they are sent again, in order", async () => {
    const redis = await server();
    const broker = await open(redis.url);
    await redis.ask("SCRIPT", "FLUSH");
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, value) => publish(broker, value)),
    );
    expect(results.map(({ position }) => position.offset)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
  });
});

describe("a server that is silent", () => {
  test("frozen for five seconds: calls are refused within the stall time, nothing is out of order, repeating makes nothing twice", async () => {
    const redis = await server();
    const broker = await open(redis.url);
    const heard = new Heard();
    await broker.subscribe("c", ORDERED, heard);
    await fill(broker, 3);
    redis.freeze();
    const fromMs = performance.now();
    const codes = await Promise.all([
      codeOf(publish(broker, "a", ORDERED, "c", "a")),
      codeOf(broker.presence.members("c")),
      codeOf(broker.probe()),
    ]);
    expect(performance.now() - fromMs).toBeLessThan(patience(3_000));
    expect(new Set(codes)).toEqual(new Set(["unavailable"]));
    await Bun.sleep(Math.max(0, 5_000 - (performance.now() - fromMs)));
    redis.thaw();
    await reachable(broker);
    await publish(broker, "a", ORDERED, "c", "a");
    const last = await publish(broker, "b", ORDERED, "c", "b");
    expect(last.position.offset).toBe(5);
    const { offsets } = await readAll(broker);
    expect(offsets).toEqual([1, 2, 3, 4, 5]);
    await within(5_000, "the last", async () => heard.offsets.at(-1) === 5);
    expect(heard.offsets).toEqual([...new Set(heard.offsets)].sort((a, b) => a - b));
  });

  test("at most so many calls wait: those beyond are refused as busy, at once", async () => {
    const redis = await server();
    const broker = await open(redis.url, { ...QUICK, requestsMax: 50 });
    redis.freeze();
    const codes = Promise.all(
      Array.from({ length: 200 }, (_, value) => codeOf(publish(broker, value))),
    );
    await Bun.sleep(50);
    redis.thaw();
    expect((await codes).filter((code) => code === "busy").length).toBeGreaterThan(140);
    await publish(broker, "again");
  });

  test("full: publishes are refused as full, and readers go on", async () => {
    const redis = await server({ config: ["maxmemory 4mb", "maxmemory-policy noeviction"] });
    const broker = await open(redis.url);
    const text = "x".repeat(100_000);
    let code = "none";
    for (let value = 0; value < 200 && code === "none"; value++)
      code = await codeOf(publish(broker, text));
    expect(code).toBe("full");
    expect((await broker.history("c", ORDERED, { limit: 1 })).publications.length).toBe(1);
  });
});

describe("failover", () => {
  test("Sentinels promote a replica that lacks the newest: no offset is handed out twice, the hole is declared, state begins anew", async () => {
    const layout = await startSentinel({ replicas: 1 });
    cleanups.push(() => layout.stop());
    const broker = await open(layout.url);
    const [heard, state, quick] = [new Heard(), new Heard(), new Heard()];
    await broker.subscribe("c", ORDERED, heard);
    await broker.subscribe("l", LATEST, state);
    await broker.subscribe("v", VOLATILE, quick);
    await fill(broker, 10);
    const [known] = await fill(broker, 3, LATEST, "l");
    const [fast] = await fill(broker, 3, VOLATILE, "v");
    const primary = await layout.primary();
    const replica = layout.servers.find((one) => one !== primary);
    await within(
      5_000,
      "replication",
      async () => Number(await replica?.ask("XLEN", "hf:{c}:s")) === 10,
    );
    replica?.freeze();
    // Or what comes now would wait for it in the kernel, and be there when it goes on.
    await primary.ask("CLIENT", "KILL", "TYPE", "replica");
    const lost = await fill(broker, 5);
    await fill(broker, 2, LATEST, "l");
    expect(lost.at(-1)?.position.offset).toBe(15);
    await within(5_000, "the last", async () => heard.offsets.length === 15);
    await primary.kill();
    replica?.thaw();
    expect(await codeOf(publish(broker, "x"))).toBe("unavailable");
    await within(20_000, "a new primary", async () => (await layout.primary()) === replica);
    await reachable(broker);
    const { position } = await publish(broker, "after");
    // The node was told of 15, and says so when it connects.
    expect(position.offset).toBe(1_000_000_016);
    const all = await readAll(broker);
    expect(all.offsets).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, position.offset]);
    expect(all.holes).toEqual([[11, position.offset - 1]]);
    // Who has heard of the lost ones is told of the hole behind them.
    expect(await readAll(broker, 15)).toMatchObject({
      offsets: [position.offset],
      holes: [[16, position.offset - 1]],
    });
    const next = await publish(broker, "after", LATEST, "l");
    expect(next.position.epoch).not.toBe(known?.position.epoch ?? "");
    expect((await publish(broker, "after", VOLATILE, "v")).position.epoch).not.toBe(
      fast?.position.epoch ?? "",
    );
    await within(
      5_000,
      "the feeds",
      async () =>
        heard.offsets.at(-1) === position.offset && state.all.at(-1)?.epoch === next.position.epoch,
    );
    expect(heard.offsets).toEqual([
      ...Array.from({ length: 15 }, (_, index) => index + 1),
      position.offset,
    ]);
  });

  test("in a cluster the channels of a dead primary come back on its replica, and the others never noticed", async () => {
    const layout = await startCluster();
    cleanups.push(() => layout.stop());
    const broker = await open(layout.url);
    const heard = new Map(Array.from({ length: 12 }, (_, index) => [`c${index}`, new Heard()]));
    for (const [channel, listener] of heard) {
      await broker.subscribe(channel, ORDERED, listener);
      await fill(broker, 3, ORDERED, channel);
    }
    const [dying] = layout.servers;
    await dying?.kill();
    const refused = new Set<string>();
    const untilMs = performance.now() + 200;
    while (performance.now() < untilMs) {
      for (const channel of heard.keys())
        if ((await codeOf(publish(broker, "x", ORDERED, channel))) !== "none") refused.add(channel);
    }
    expect(refused.size).toBeGreaterThan(0);
    expect(refused.size).toBeLessThan(12);
    await reachable(broker);
    for (const [channel, listener] of heard) {
      const { position } = await publish(broker, "after", ORDERED, channel);
      expect(position.offset > 1_000_000_000).toBe(refused.has(channel));
      await within(5_000, channel, async () => listener.offsets.at(-1) === position.offset);
      expect(listener.offsets).toEqual([...new Set(listener.offsets)].sort((a, b) => a - b));
    }
  });

  test("in a cluster a slot that moves takes its channel along: publishes are redirected, and who listens goes on listening", async () => {
    const layout = await startCluster({ replicas: false });
    cleanups.push(() => layout.stop());
    const broker = await open(layout.url);
    const heard = new Heard();
    await broker.subscribe("c", ORDERED, heard);
    await fill(broker, 3);
    const slot = Number(await layout.servers[0]?.ask("CLUSTER", "KEYSLOT", "{c}"));
    const ids = await Promise.all(
      layout.servers.map(async (one) => String(await one.ask("CLUSTER", "MYID"))),
    );
    const from = Math.floor((slot * 3) / 16_384);
    const [source, target] = [layout.servers[from], layout.servers[(from + 1) % 3]];
    const targetId = ids[(from + 1) % 3] ?? "";
    await target?.ask("CLUSTER", "SETSLOT", String(slot), "IMPORTING", ids[from] ?? "");
    await source?.ask("CLUSTER", "SETSLOT", String(slot), "MIGRATING", targetId);
    const keys = (await source?.ask("CLUSTER", "GETKEYSINSLOT", String(slot), "100")) as string[];
    await source?.ask(
      "MIGRATE",
      "127.0.0.1",
      String(target?.port),
      "",
      "0",
      "5000",
      "KEYS",
      ...keys,
    );
    // Waits for the slot to arrive: some of the keys that a publish may need exist on neither
    // server.
    const asking = publish(broker, "asked");
    await Bun.sleep(200);
    for (const one of [target, source, ...layout.servers])
      await one?.ask("CLUSTER", "SETSLOT", String(slot), "NODE", targetId);
    const asked = await asking;
    const moved = await publish(broker, "moved");
    expect(moved.position.offset).toBe(asked.position.offset + 1);
    let last = moved;
    await within(10_000, "the feed on the other server", async () => {
      last = await publish(broker, "again");
      // On a busy machine it comes later than the next one would be published.
      const untilMs = performance.now() + 500;
      while (heard.offsets.at(-1) !== last.position.offset && performance.now() < untilMs)
        await Bun.sleep(20);
      return heard.offsets.at(-1) === last.position.offset;
    });
    expect(heard.offsets).toEqual([...new Set(heard.offsets)].sort((a, b) => a - b));
  });
});

describe("presence through faults", () => {
  test("nodes that were cut off together do not declare each other dead when they come back", async () => {
    const redis = await server({ persistence: "aof" });
    const second = patience(1_000);
    const [a, b] = [
      await open(redis.url, { ...QUICK, reapAfterMs: 2 * second }),
      await open(redis.url, { ...QUICK, reapAfterMs: 2 * second }),
    ];
    await a.presence.renew("a", second);
    await b.presence.renew("b", second);
    await a.presence.enter("c", { member: "m1" }, "a/1");
    await b.presence.enter("c", { member: "m2" }, "b/1");
    await redis.kill();
    await Bun.sleep(1.5 * second);
    await redis.restart();
    await Promise.all([reachable(a), reachable(b)]);
    await a.presence.renew("a", 10 * second);
    await Bun.sleep(0.8 * second);
    await b.presence.renew("b", 10 * second);
    await Bun.sleep(2.5 * second);
    expect([...(await allMembers(a.presence, "c")).keys()].sort()).toEqual(["m1", "m2"]);
  });

  test("a hundred thousand members of a dead node are gone soon after its lease, and no call takes long meanwhile", async () => {
    const redis = await server();
    const [dying, other] = [await open(redis.url), await open(redis.url)];
    await dying.presence.renew("dying", 60_000);
    const ids = Array.from({ length: 100_000 }, (_, index) => `member-${index}`);
    for (let from = 0; from < ids.length; from += 2_000) {
      await Promise.all(
        ids
          .slice(from, from + 2_000)
          .map((member) => dying.presence.enter("c", { member }, "dying/1")),
      );
    }
    expect((await allMembers(other.presence, "c")).size).toBe(100_000);
    const left = new Set<string>();
    await other.subscribe("c", ORDERED, {
      publication() {},
      removed() {},
      presence: (change) => change.kind === "leave" && left.add(change.member),
    });
    await dying.presence.renew("dying", 1);
    let worstMs = 0;
    await within(20_000, "everybody's leave", async () => {
      const fromMs = performance.now();
      await publish(other, "meanwhile", ORDERED, "other");
      worstMs = Math.max(worstMs, performance.now() - fromMs);
      return left.size === 100_000;
    });
    expect((await allMembers(other.presence, "c")).size).toBe(0);
    expect(worstMs).toBeLessThan(patience(1_000));
  });
});
