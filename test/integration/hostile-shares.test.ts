// Owns: tests, over real sockets, that what a node can take is shared (SECURITY.md: one hostile
// client cannot hurt another).
import { afterEach, expect, test } from "bun:test";
import { Holdfast } from "@holdfast/client";
import { patience } from "../patience.ts";
import { type RawSocket, rawSocket } from "./raw-socket.ts";
import { startNode, type TestNode, until } from "./start-node.ts";

const TEST_MS = patience(30_000);
const opened: RawSocket[] = [];
const nodes: TestNode[] = [];
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.end();
  for (const { node } of nodes.splice(0)) await node.stop();
});

async function start(env: Readonly<Record<string, string>>): Promise<TestNode> {
  const at = await startNode({ env });
  nodes.push(at);
  return at;
}

async function silent(at: TestNode): Promise<RawSocket> {
  const socket = await rawSocket(at.url, { protocol: "holdfast.v1" });
  opened.push(socket);
  return socket;
}

async function answer(socket: RawSocket, frame: string): Promise<{ t: string; resume?: string }> {
  socket.received.length = 0;
  socket.text(frame);
  await until("an answer", () => socket.received.length > 0);
  return JSON.parse(socket.received[0]?.split("\n")[0] ?? "");
}

test(
  "as many silent sockets as handshakes may be in flight keep out neither newcomers nor who comes back",
  async () => {
    const at = await start({ HOLDFAST_LIMITS_HANDSHAKES_IN_FLIGHT_MAX: "100" });
    const { resume } = await answer(await silent(at), '{"t":"connect","id":1}');
    for (let i = 0; i < 150; i++) await silent(at);
    expect((await answer(await silent(at), '{"t":"connect","id":1}')).t).toBe("connected");
    const again = await answer(
      await silent(at),
      `{"t":"connect","id":1,"resume":${JSON.stringify(resume)}}`,
    );
    expect(again).toMatchObject({ t: "connected", resumed: true });
    expect(at.bugs).toEqual([]);
  },
  TEST_MS,
);

test(
  "a client that sends large messages without end is read at its pace, and others are answered in between",
  async () => {
    const at = await start({
      HOLDFAST_LIMITS_RECEIVED_BYTES_PER_SECOND_MAX: "256KiB",
      HOLDFAST_LIMITS_PUBLISHED_BYTES_PER_SECOND_MAX: "128KiB",
    });
    const hostile = await silent(at);
    await answer(hostile, '{"t":"connect","id":1}');
    const good = await silent(at);
    await answer(good, '{"t":"connect","id":1}');
    hostile.received.length = 0;
    const junk = `{"t":"ping","id":2,"x":[${"[[[],{}]],".repeat(20_000)}1]}`;
    for (let i = 0; i < 60; i++) hostile.text(junk);
    for (let id = 2; id < 30; id++) {
      expect((await answer(good, `{"t":"ping","id":${id}}`)).t).toBe("pong");
      await Bun.sleep(10);
    }
    // A burst of a mebibyte is five such messages; the rest wait outside of the node.
    const pongs = hostile.received.reduce((sum, text) => sum + text.split("pong").length - 1, 0);
    expect(pongs).toBeGreaterThan(0);
    expect(pongs).toBeLessThan(30);
    expect(at.bugs).toEqual([]);
  },
  TEST_MS,
);

test(
  "a client that is ended as flooded comes back by itself: who made its address flood may be another",
  async () => {
    const at = await start({
      HOLDFAST_LIMITS_FRAMES_PER_SECOND_MAX: "2",
      HOLDFAST_LIMITS_SUBSCRIPTIONS_MAX: "4",
      HOLDFAST_LIMITS_PRESENCE_PER_CONNECTION_MAX: "2",
      HOLDFAST_ADMISSION_WINDOW_MIN_MS: "20",
    });
    const client = new Holdfast(at.url);
    try {
      const states: string[] = [];
      client.on("state", ({ state, reason }) => states.push(`${state} ${reason}`));
      await until("the client is connected", () => client.state === "connected");
      const signal = AbortSignal.timeout(10);
      const calls = Array.from({ length: 50 }, () => client.channel("chat:a").history({ signal }));
      await Promise.allSettled(calls);
      await until("the client is ended", () => states.includes("reconnecting flooded"));
      await until("the client is back", () => client.state === "connected");
      expect(at.bugs).toEqual([]);
    } finally {
      client.close();
    }
  },
  TEST_MS,
);

test(
  "one address that is present with as much data as it may leaves room for others",
  async () => {
    const at = await start({
      HOLDFAST_LIMITS_PUBLISHED_BYTES_PER_SECOND_MAX: "32MiB",
      HOLDFAST_LIMITS_NODE_PUBLISHED_BYTES_PER_SECOND_MAX: "1GiB",
      HOLDFAST_LIMITS_RECEIVED_BYTES_PER_SECOND_MAX: "64MiB",
      HOLDFAST_TRUSTED_PROXIES: "127.0.0.1",
      HOLDFAST_FORWARDED_HEADER: "x-forwarded",
    });
    const from = async (address: string): Promise<RawSocket> => {
      const headers = [`X-Forwarded-For: ${address}`];
      const socket = await rawSocket(at.url, { protocol: "holdfast.v1", headers });
      opened.push(socket);
      await answer(socket, '{"t":"connect","id":1}');
      return socket;
    };
    const data = JSON.stringify("x".repeat(50_000));
    const enter = (socket: RawSocket, id: number): Promise<{ t: string; name?: string }> =>
      answer(socket, `{"t":"enter","id":${id},"ch":"chat:${id}","d":${data}}`);
    const names = new Set<string | undefined>();
    for (let i = 0; i < 12; i++) {
      const hostile = await from("198.51.100.66");
      for (let id = 2; id < 70; id++) names.add((await enter(hostile, id)).name);
    }
    expect([...names]).toEqual([undefined, "rate_limited"]);
    expect((await enter(await from("198.51.100.7"), 2)).t).toBe("ok");
    expect(at.bugs).toEqual([]);
  },
  TEST_MS,
);
