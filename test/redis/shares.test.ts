// Owns: tests, with real nodes and a real Redis, that one user or address cannot fill its memory
// (SECURITY.md: one hostile client cannot hurt another).
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import { type RawSocket, rawSocket } from "../integration/raw-socket.ts";
import { startNode, type TestNode, until } from "../integration/start-node.ts";
import { patience } from "../patience.ts";
import { freshPrefix, openBroker } from "./harness.ts";
import { startServer, stopServers } from "./servers.ts";

setDefaultTimeout(patience(60_000));

const MIB = 1024 * 1024;
const OPEN = { publish: "anyone", presence: "anyone" } as const;
const CONTRACT: ContractDefinition = {
  channels: {
    "chat:{room}": { presence: true, permissions: OPEN, history: { size: 100, ttlMs: 600_000 } },
  },
};
const DATA = JSON.stringify("x".repeat(60_000));

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Start {
  readonly at: TestNode;
  usedBytes(): Promise<number>;
  from(address: string): Promise<RawSocket>;
}

async function start(keptBytesMax: string): Promise<Start> {
  const redis = await startServer();
  cleanups.push(() => stopServers([redis]));
  const url = `${redis.url}?prefix=${freshPrefix()}`;
  const env = {
    HOLDFAST_BROKER_URL: url,
    HOLDFAST_LIMITS_KEPT_BYTES_PER_USER_MAX: keptBytesMax,
    // A fast machine would meet these before the share.
    HOLDFAST_LIMITS_PUBLISHES_PER_SECOND_MAX: "10000",
    HOLDFAST_LIMITS_PUBLISHED_BYTES_PER_SECOND_MAX: "32MiB",
    HOLDFAST_LIMITS_RECEIVED_BYTES_PER_SECOND_MAX: "64MiB",
    HOLDFAST_TRUSTED_PROXIES: "127.0.0.1",
    HOLDFAST_FORWARDED_HEADER: "x-forwarded",
  };
  const at = await startNode({ env, contract: CONTRACT });
  cleanups.push(() => at.node.stop());
  const broker = await openBroker(url);
  cleanups.push(() => broker.close());
  return {
    at,
    async usedBytes() {
      await broker.probe();
      const fresh = await openBroker(url);
      const bytes = fresh.usage()?.bytes ?? 0;
      await fresh.close();
      return bytes;
    },
    async from(address) {
      const headers = [`X-Forwarded-For: ${address}`];
      const socket = await rawSocket(at.url, { protocol: "holdfast.v1", headers });
      cleanups.push(() => socket.end());
      await answer(socket, '{"t":"connect","id":1}');
      return socket;
    },
  };
}

async function answer(socket: RawSocket, frame: string): Promise<{ t: string; name?: string }> {
  socket.received.length = 0;
  socket.text(frame);
  await until("an answer", () => socket.received.length > 0);
  return JSON.parse(socket.received[0]?.split("\n")[0] ?? "");
}

const HOSTILE = "198.51.100.66";

test("one address that publishes to channel after channel, over many connections, is refused at its share, and others are not", async () => {
  const { at, from, usedBytes } = await start("16MiB");
  const beforeBytes = await usedBytes();
  const names = new Set<string | undefined>();
  for (let i = 0; i < 10; i++) {
    const hostile = await from(HOSTILE);
    for (let id = 2; id < 62; id++) {
      const frame = `{"t":"publish","id":${id},"ch":"chat:${i}-${id}","d":${DATA}}`;
      names.add((await answer(hostile, frame)).name);
    }
  }
  expect([...names]).toEqual([undefined, "rate_limited"]);
  expect((await usedBytes()) - beforeBytes).toBeLessThan(32 * MIB);
  const good = await from("198.51.100.7");
  expect((await answer(good, `{"t":"publish","id":2,"ch":"chat:g","d":${DATA}}`)).t).toBe(
    "published",
  );
  const metrics = await (await fetch(`${at.internalUrl}/metrics`)).text();
  expect(metrics).toMatch(/holdfast_over_share_total\{reason="kept"\} [1-9]/);
  expect(at.bugs).toEqual([]);
});

test("who publishes without end to one channel, which keeps the newest, is never refused for it", async () => {
  const { at, from } = await start("16MiB");
  const busy = await from(HOSTILE);
  const names = new Set<string | undefined>();
  for (let id = 2; id < 1000; id++)
    names.add((await answer(busy, `{"t":"publish","id":${id},"ch":"chat:a","d":${DATA}}`)).name);
  expect([...names]).toEqual([undefined]);
  expect(at.bugs).toEqual([]);
});

test("one address that is present with as much data as it may is refused more, and keeps what it has", async () => {
  const { at, from } = await start("4MiB");
  const enter = (socket: RawSocket, id: number): Promise<{ t: string; name?: string }> =>
    answer(socket, `{"t":"enter","id":${id},"ch":"chat:${id}","d":${DATA}}`);
  const names = new Set<string | undefined>();
  const hostile = await from(HOSTILE);
  for (let id = 2; id < 100; id++) names.add((await enter(hostile, id)).name);
  expect([...names]).toEqual([undefined, "rate_limited"]);
  expect((await enter(await from("198.51.100.7"), 2)).t).toBe("ok");
  expect((await enter(hostile, 2)).t).toBe("ok");
  await answer(hostile, '{"t":"leave","id":3,"ch":"chat:2"}');
  expect((await enter(hostile, 99)).t).toBe("ok");
  expect(at.bugs).toEqual([]);
});
