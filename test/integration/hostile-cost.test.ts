// Owns: tests, over real sockets, that one connection's requests cannot fill the node's memory or
// keep others waiting (SECURITY.md: one hostile client cannot hurt another).
import { afterEach, expect, test } from "bun:test";
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

async function start(env: Readonly<Record<string, string>> = {}): Promise<TestNode> {
  const at = await startNode({ env });
  nodes.push(at);
  return at;
}

async function connected(at: TestNode): Promise<RawSocket> {
  const socket = await rawSocket(at.url, { protocol: "holdfast.v1" });
  opened.push(socket);
  socket.text('{"t":"connect","id":1}');
  await until("connected", () => socket.received.length > 0);
  socket.received.length = 0;
  return socket;
}

const DATA = JSON.stringify("x".repeat(50_000));
/** Clients SHOULD accept messages of 4 MiB (spec 1.2). A node makes none nearly as large. */
const MESSAGE_BYTES_MAX = 2 * 1024 * 1024;
const QUEUE_BYTES_MAX = 1024 * 1024;

/** Most bytes that were queued for all connections at any moment until `done`. */
async function peakQueue(at: TestNode, done: () => boolean): Promise<number> {
  let peak = 0;
  await until(
    "all is answered",
    () => {
      peak = Math.max(peak, at.node.info().queueBytes);
      return done();
    },
    TEST_MS,
  );
  return peak;
}

const count = (socket: RawSocket, text: string): number =>
  socket.received.reduce((sum, message) => sum + message.split(text).length - 1, 0);

async function pingWhile(victim: RawSocket, done: () => boolean): Promise<number> {
  let answered = 0;
  for (let id = 2; !done(); id++) {
    victim.text(`{"t":"ping","id":${id}}`);
    await until("the victim's ping is answered", () => victim.received.length > 0);
    victim.received.length = 0;
    answered += 1;
  }
  return answered;
}

test(
  "a few bytes that ask for many snapshots of large members hurt nobody, and are all answered",
  async () => {
    const at = await start({ HOLDFAST_LIMITS_ANSWERED_BYTES_PER_SECOND_MAX: "1GiB" });
    for (let i = 0; i < 20; i++)
      (await connected(at)).text(`{"t":"enter","id":2,"ch":"chat:a","d":${DATA}}`);
    await until("all have entered", () => opened.every(({ received }) => received.length > 0));
    const victim = await connected(at);
    const attacker = await connected(at);
    const watches = 20;
    attacker.text(
      Array.from({ length: watches }, (_, i) => `{"t":"watch","id":${i + 2},"ch":"chat:a"}`).join(
        "\n",
      ),
    );
    const done = (): boolean => count(attacker, '{"t":"ok"') === watches;
    const [peak, pings] = await Promise.all([peakQueue(at, done), pingWhile(victim, done)]);
    expect(peak).toBeLessThan(QUEUE_BYTES_MAX);
    expect(count(attacker, '"m":"')).toBe(watches * 20);
    expect(Math.max(...attacker.received.map(({ length }) => length))).toBeLessThan(
      MESSAGE_BYTES_MAX,
    );
    // In between, not behind.
    expect(pings).toBeGreaterThan(10);
    expect(at.bugs).toEqual([]);
  },
  TEST_MS,
);

test(
  "a thousand requests for history in one message are answered within the connection's budget, one by one",
  async () => {
    const at = await start({ HOLDFAST_LIMITS_ANSWERED_BYTES_PER_SECOND_MAX: "4MiB" });
    for (let i = 0; i < 100; i++)
      await at.node.control.publish("chat:a", { payload: { kind: "json", text: DATA } });
    const victim = await connected(at);
    const attacker = await connected(at);
    attacker.text(
      Array.from({ length: 1000 }, (_, i) => `{"t":"history","id":${i + 2},"ch":"chat:a"}`).join(
        "\n",
      ),
    );
    const startedMs = performance.now();
    const passedMs = (): number => performance.now() - startedMs;
    const done = (): boolean => passedMs() > 1000;
    const [peak, pings] = await Promise.all([peakQueue(at, done), pingWhile(victim, done)]);
    const bytes = attacker.received.reduce((sum, { length }) => sum + length, 0);
    expect(peak).toBeLessThan(QUEUE_BYTES_MAX);
    expect(pings).toBeGreaterThan(10);
    // A burst of four seconds, what has come back since, and a page that was begun.
    expect(bytes).toBeLessThan(4 * 1024 * 1024 * (4 + passedMs() / 1000) + 5_000_000);
    expect(bytes).toBeGreaterThan(1_000_000);
    expect(at.bugs).toEqual([]);
  },
  TEST_MS,
);

test(
  "a client that does not read its answers is not answered further, and ends as a slow consumer",
  async () => {
    const at = await start({
      HOLDFAST_FLOW_LAG_MS_MAX: "1000",
      HOLDFAST_LIMITS_ANSWERED_BYTES_PER_SECOND_MAX: "1GiB",
    });
    for (let i = 0; i < 100; i++)
      await at.node.control.publish("chat:a", { payload: { kind: "json", text: DATA } });
    const attacker = await connected(at);
    attacker.pause();
    for (let message = 0; message < 20; message++)
      attacker.text(
        Array.from({ length: 50 }, (_, i) => `{"t":"history","id":${i + 2},"ch":"chat:a"}`).join(
          "\n",
        ),
      );
    const peak = await peakQueue(at, () => at.node.info().connections === 0);
    expect(peak).toBeLessThan(QUEUE_BYTES_MAX);
    expect(at.bugs).toEqual([]);
  },
  TEST_MS,
);
