// Owns: wills on several nodes over one broker, on a clock moved by hand: nodes that die, freeze or
// stop, clients that come back, thousands at once.
import { expect, test } from "bun:test";
import {
  BrokerError,
  type BusMessage,
  type Clock,
  createMemoryBroker,
  createSeededRandom,
  type StateStore,
} from "@holdfast/core";
import { createManualClock } from "@holdfast/testkit";
import { type Opened, openSession } from "./session-opening.ts";
import { TakeOvers } from "./take-overs.ts";
import { Totals } from "./totals.ts";
import type { WillOutcome } from "./will-carrier.ts";
import { LIFE_LEASE_MS } from "./will-lives.ts";
import { type HeldWill, ownerName, Wills } from "./wills.ts";

const text = (channel: string) => ({
  channel,
  key: undefined,
  payload: { kind: "json" as const, text: '"gone"' },
  meta: Uint8Array.of(1, 2),
  user: undefined,
});

function world() {
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: createSeededRandom("broker") });
  const published = new Map<string, { channel: string; atMs: number; node: string }>();
  const calls: number[] = [];
  const bugs: unknown[] = [];
  const nodes: Node[] = [];
  let isAway = false;
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 30; turn++) {
      await Promise.resolve();
      clock.flush();
    }
  };
  const advance = async (ms: number, stepMs = 20): Promise<void> => {
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(Math.min(left, stepMs));
      await settle();
    }
  };

  class Node {
    readonly name: string;
    readonly wills: Wills;
    readonly states: StateStore;
    readonly outcomes: WillOutcome[] = [];
    adopted = 0;
    isDead = false;
    frozen: (() => void)[] | undefined;
    #connections = 0;

    constructor(name: string) {
      this.name = name;
      const mine = broker.connect(name);
      const guard = async <T>(call: () => Promise<T>): Promise<T> => {
        if (this.isDead) return new Promise<T>(() => {});
        if (isAway) throw new BrokerError("unavailable", "away");
        return call();
      };
      this.states = {
        take: (key, options) => guard(() => mine.states.take(key, options)),
        write: (...args) => guard(() => mine.states.write(...args)),
        renew: (...args) => guard(() => mine.states.renew(...args)),
        release: (...args) => guard(() => mine.states.release(...args)),
        read: (key) => guard(() => mine.states.read(key)),
        list: (query) => guard(() => mine.states.list(query)),
      };
      const own: Clock = {
        wallMs: () => clock.wallMs(),
        nowMs: () => clock.nowMs(),
        defer: (task) => own.after(0, task) && undefined,
        after: (ms, task) =>
          clock.after(ms, () => {
            if (this.isDead) return;
            if (this.frozen === undefined) task();
            else this.frozen.push(task);
          }),
      };
      this.wills = new Wills({
        states: this.states,
        clock: own,
        random: createSeededRandom(name),
        nodeId: name,
        lifeId: `life${name}`,
        tell: (message: BusMessage) => void (this.isDead || mine.bus.send(message)),
        publish: async (message, key) => {
          await guard(async () => {});
          calls.push(clock.nowMs());
          if (!published.has(key))
            published.set(key, { channel: message.channel, atMs: clock.nowMs(), node: name });
        },
        ended: (outcome) => this.outcomes.push(outcome),
        adopted: (count) => {
          this.adopted += count;
        },
        bug: (_where, error) => bugs.push(error),
      });
      mine.bus.listen((message) => {
        if (!this.isDead && this.frozen === undefined) this.wills.heard(message);
      });
      this.wills.start();
    }

    /** A client with a will, and a session if it has a name. */
    async connect(
      channel: string,
      { client = "", delayMs = 0, party = "" } = {},
    ): Promise<HeldWill> {
      this.#connections += 1;
      const connection = `${this.name}/${this.#connections}`;
      const session = client === "" ? undefined : await this.openSession(client, connection);
      const messages = [text(channel)];
      return this.wills.hold({ messages, session, delayMs, party, connection });
    }

    async openSession(client: string, connection: string) {
      const parts = {
        ...{ states: this.states, clock, random: createSeededRandom(client), wills: this.wills },
        ...{ lifeId: `life${this.name}`, leases: { taken() {} }, observer: { bug() {} } },
        ...{ takeOvers: new TakeOvers(clock, () => {}), totals: new Totals() },
        engine: { costs: { keep: () => true } },
      };
      const wish = {
        connection: { owner: connection, party: "", identity: {} },
        ...{ clientId: client, clean: true, hasWill: true },
        keeper: { snapshot: () => new Uint8Array(0), keepMs: () => 0, fenced() {}, tooLarge() {} },
      };
      const { keeper } = (await openSession(parts as never, wish as never)) as Opened;
      return { key: keeper.key, fence: keeper.hold.fence, keeper };
    }

    freeze(): void {
      this.frozen = [];
    }

    thaw(): void {
      const tasks = this.frozen ?? [];
      this.frozen = undefined;
      for (const task of tasks) task();
    }
  }

  return {
    ...{ clock, published, calls, bugs, settle, advance },
    channels: () => [...published.values()].map(({ channel }) => channel),
    setAway(away: boolean): void {
      isAway = away;
    },
    async node(name: string): Promise<Node> {
      const node = new Node(name);
      nodes.push(node);
      await advance(5000);
      return node;
    },
  };
}

/** More than the lease of a dead node, and the chance in the time at which others look. */
const FOUND_MS = LIFE_LEASE_MS + 15_000;

test("a node dies: another one publishes the wills of its clients, each once", async () => {
  const { node, advance, published, channels, clock, bugs } = world();
  const [a, b, c] = [await node("a"), await node("b"), await node("c")];
  for (let n = 0; n < 50; n++) await a.connect(`w${n}`, { client: `client ${n}` });
  await b.connect("alive");
  await advance(60_000);
  expect(published.size).toBe(0);
  a.isDead = true;
  const diedMs = clock.nowMs();
  await advance(FOUND_MS);
  expect(channels().toSorted()).toEqual(Array.from({ length: 50 }, (_, n) => `w${n}`).toSorted());
  for (const { atMs } of published.values()) expect(atMs - diedMs).toBeGreaterThan(15_000);
  expect(b.adopted + c.adopted).toBe(50);
  await advance(120_000);
  expect(published.size).toBe(50);
  expect(bugs).toEqual([]);
});

test("a client that came back elsewhere has no will any more, even if it left again", async () => {
  const { node, advance, channels } = world();
  const [a, b] = [await node("a"), await node("b")];
  for (const client of ["stays", "left", "gone"]) await a.connect(client, { client });
  a.isDead = true;
  await advance(1000);
  await b.connect("stays again", { client: "stays" });
  const left = await b.openSession("left", "b/77");
  await left.keeper.close();
  await advance(FOUND_MS);
  expect(channels()).toEqual(["gone"]);
});

test("a delay counts from the death of the node, also if the one that took over dies", async () => {
  const { node, advance, published, clock } = world();
  const [a, b] = [await node("a"), await node("b")];
  await a.connect("late", { client: "x", delayMs: 200_000 });
  await advance(20_000);
  a.isDead = true;
  const diedMs = clock.nowMs();
  await advance(FOUND_MS);
  const c = await node("c");
  b.isDead = true;
  await advance(200_000 - FOUND_MS - 5000);
  expect(published.size).toBe(0);
  await advance(60_000);
  const [will] = [...published.values()];
  expect(will).toMatchObject({ channel: "late", node: c.name });
  const waitedMs = (will?.atMs ?? 0) - diedMs;
  expect(waitedMs).toBeGreaterThanOrEqual(200_000);
  expect(published.size).toBe(1);
});

test("a node that was frozen for long keeps the wills of its clients again", async () => {
  const { node, advance, channels, bugs } = world();
  const [a, b] = [await node("a"), await node("b")];
  const will = await a.connect("x", { client: "x" });
  a.freeze();
  await advance(FOUND_MS);
  expect(channels()).toEqual(["x"]);
  a.thaw();
  await advance(FOUND_MS);
  // Its client is there, and has a will, which another node would find.
  a.isDead = true;
  await advance(FOUND_MS);
  expect(channels()).toEqual(["x", "x"]);
  expect(b.adopted).toBe(2);
  expect(bugs).toEqual([]);
  will.void();
});

test("wills that wait go on when their node stops, and at once", async () => {
  const { node, advance, channels } = world();
  const [a] = [await node("a"), await node("b")];
  const waits = await a.connect("waits", { client: "x" });
  waits.due(10_000);
  await advance(100);
  await a.wills.stop();
  a.isDead = true;
  await advance(9000);
  expect(channels()).toEqual([]);
  await advance(3000);
  expect(channels()).toEqual(["waits"]);
});

test("all nodes end, and the next one finds what they left", async () => {
  const { node, advance, channels } = world();
  const a = await node("a");
  await a.connect("x", { client: "x" });
  await a.connect("y");
  await a.connect("polite").then((will) => will.void());
  await advance(100);
  a.isDead = true;
  await advance(3_600_000, 60_000);
  await node("b");
  await advance(5000);
  expect(channels().toSorted()).toEqual(["x", "y"]);
});

test("the broker is away when a client ends: its will comes afterwards", async () => {
  const { node, advance, channels, setAway, bugs } = world();
  const a = await node("a");
  const wills = [await a.connect("x"), await a.connect("y")];
  setAway(true);
  for (const will of wills) will.due(0);
  await advance(20_000);
  expect(channels()).toEqual([]);
  setAway(false);
  await advance(10_000);
  expect(channels().toSorted()).toEqual(["x", "y"]);
  expect(bugs).toEqual([]);
});

test("thousands of wills at once are spread, and who has one does not wait for who has all", async () => {
  const { node, advance, published, calls } = world();
  const a = await node("a");
  const rude = [];
  for (let n = 0; n < 3000; n++) rude.push(await a.connect(`rude ${n}`, { party: "rude" }));
  const polite = await a.connect("polite", { party: "polite" });
  for (const will of rude) will.due(0);
  polite.due(0);
  await advance(100);
  const [at] = [...published.values()].flatMap(({ channel }, place) =>
    channel === "polite" ? [place] : [],
  );
  expect(at).toBeLessThan(50);
  await advance(6000);
  expect(published.size).toBe(3001);
  for (const fromMs of calls)
    expect(calls.filter((ms) => ms >= fromMs && ms < fromMs + 1000).length).toBeLessThanOrEqual(
      1100,
    );
});

test("a node without wills has no timer, and none of its own once they are done", async () => {
  const { node, advance, clock } = world();
  const [a] = [await node("a"), await node("b")];
  await advance(10_000);
  expect(clock.waiting()).toBe(0);
  const will = await a.connect("x");
  expect(clock.waiting()).toBeGreaterThan(0);
  will.void();
  await advance(60_000);
  expect(clock.waiting()).toBe(0);
});

test("the owner of a session says where its will is", async () => {
  expect(ownerName("n/1", "life", false)).toBe("n/1/life");
  expect(ownerName("n/1", "life", true)).toBe("n/1/life/will");
});
