// Owns: H2 over real sockets: what cannot be delivered is declared to the application, with its
// bounds, before anything newer.
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Gap, Holdfast, type ResyncOptions } from "@holdfast/client";
import { msgpack } from "@holdfast/client/msgpack";
import type { ContractDefinition } from "@holdfast/contract";
import { patience } from "../patience.ts";
import { startNode, type TestNode, type TestNodeOptions, until } from "./start-node.ts";
import { startSwitch } from "./switch.ts";

setDefaultTimeout(patience(30_000));

const OPEN = {
  subscribe: "anyone",
  publish: "anyone",
  presence: "anyone",
  history: "anyone",
} as const;
const CONTRACT: ContractDefinition = {
  channels: {
    "tiny:{id}": { history: { size: 10, ttlMs: 60_000 }, permissions: OPEN },
    "room:{id}": { presence: true, permissions: OPEN },
    "fast:{id}": { class: "volatile", permissions: OPEN },
  },
};
const CODECS = ["json", "msgpack"] as const;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A node whose clients come back soon. */
async function start(options: TestNodeOptions = {}): Promise<TestNode> {
  const env = {
    HOLDFAST_ADMISSION_WINDOW_MIN_MS: "20",
    HOLDFAST_RING_PUBLICATIONS_MAX: "0",
    ...options.env,
  };
  const node = await startNode({ contract: CONTRACT, ...options, env });
  cleanups.push(() => node.node.stop());
  return node;
}

type Told =
  | { readonly offset: number; readonly epoch: string; readonly n: unknown }
  | { readonly gap: Gap }
  | { readonly state: unknown };

interface Watched {
  readonly client: Holdfast;
  /** Messages, gaps and fetched states, in the order in which the application was told. */
  readonly told: Told[];
  readonly recovered: boolean[];
  readonly states: string[];
}

async function watch(
  url: string,
  channel: string,
  codec: (typeof CODECS)[number],
  options: ResyncOptions = {},
): Promise<Watched> {
  const client = new Holdfast(url, codec === "msgpack" ? { codec: msgpack } : {});
  cleanups.push(() => client.close());
  const watched: Watched = { client, told: [], recovered: [], states: [] };
  client.on("state", ({ state }) => watched.states.push(state));
  client.on("error", () => {});
  const subscription = client
    .channel(channel)
    .subscribe(
      ({ offset, epoch, data }) =>
        watched.told.push({ offset, epoch, n: (data as { n?: unknown }).n }),
      {
        ...options,
        onState: (state) => watched.told.push({ state }),
      },
    );
  subscription.on("gap", (gap) => watched.told.push({ gap }));
  subscription.on("recovered", ({ lossless }) => watched.recovered.push(lossless));
  await subscription.ready;
  return watched;
}

/** Publishes `{ n }` for each of the numbers, as the application's back end. */
async function publish(
  { node }: TestNode,
  channel: string,
  numbers: readonly number[],
  more: object = {},
): Promise<void> {
  for (const n of numbers) {
    const outcome = await node.control.publish(channel, {
      payload: { kind: "json", text: JSON.stringify({ n, ...more }) },
    });
    if (!outcome.ok) throw new Error(outcome.message);
  }
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);
const messages = (epoch: string, from: number, to: number): Told[] =>
  range(from, to).map((offset) => ({ offset, epoch, n: offset }));
const newest = ({ told }: Watched): unknown => told.at(-1);

const offsetsIn = (told: readonly Told[]): number[] =>
  told.flatMap((item) => ("offset" in item ? [item.offset] : []));

/**
 * Offsets of messages and of what gaps say is missing, in the order in which the application was
 * told.
 */
const withDropped = (told: readonly Told[]): number[] =>
  told.flatMap((item) => {
    if ("gap" in item) return range(item.gap.from, item.gap.to ?? item.gap.from);
    return "offset" in item ? [item.offset] : [];
  });

async function epochOf({ node }: TestNode, channel: string): Promise<string> {
  const page = await node.control.history(channel, { limit: 1 });
  if (!page.ok) throw new Error(page.message);
  return page.value.epoch;
}

for (const codec of CODECS)
  describe(`in ${codec}`, () => {
    test("H2: history that was trimmed while a client was away is a gap with exact bounds, before what is kept", async () => {
      const node = await start();
      const front = await startSwitch(node.node.port);
      cleanups.push(() => front.close());
      const url = `ws://127.0.0.1:${front.port}/connect`;
      const states: Gap[] = [];
      const getState = async (gap: Gap): Promise<string> => {
        states.push(gap);
        await Bun.sleep(20);
        return "afresh";
      };
      const plain = await watch(url, "tiny:1", codec);
      const fetching = await watch(url, "tiny:1", codec, { getState });
      await publish(node, "tiny:1", range(1, 5));
      await until("both have the first five", () =>
        [plain, fetching].every(({ told }) => told.length === 5),
      );

      front.target(1);
      front.cutAll();
      await publish(node, "tiny:1", range(6, 35));
      front.target(node.node.port);
      await until("both are back", () =>
        [plain, fetching].every(({ recovered }) => recovered.length === 1),
      );
      await publish(node, "tiny:1", [36]);
      const epoch = await epochOf(node, "tiny:1");
      const last = { offset: 36, epoch, n: 36 };
      await until("both have the newest", () =>
        [plain, fetching].every((watched) => Bun.deepEquals(newest(watched), last)),
      );

      const gap: Gap = {
        channel: "tiny:1",
        from: 6,
        to: 25,
        reason: "history",
        position: { epoch, offset: 25 },
      };
      expect(plain.told).toEqual([...messages(epoch, 1, 5), { gap }, ...messages(epoch, 26, 36)]);
      expect(fetching.told).toEqual([
        ...messages(epoch, 1, 5),
        { gap },
        { state: "afresh" },
        ...messages(epoch, 26, 36),
      ]);
      expect(states).toEqual([gap]);
      for (const { client, recovered, states: seen } of [plain, fetching]) {
        expect(recovered).toEqual([false]);
        expect(seen).toEqual(["connected", "reconnecting", "connected"]);
        expect(client.stats()).toMatchObject({ reconnects: 1, gaps: 1, lost: 20, undeclared: 0 });
      }
      expect(node.bugs).toEqual([]);
    });

    test("H2: a node that lost its broker's data declares a new epoch, then gives everything of it, and members are there again", async () => {
      const first = await start();
      const { port } = first.node;
      const fetched: Gap[] = [];
      const getState = (gap: Gap): string => {
        fetched.push(gap);
        return "afresh";
      };
      const clients = [
        await watch(first.url, "room:1", codec),
        await watch(first.url, "room:1", codec, { getState }),
      ];
      for (const [i, { client }] of clients.entries()) {
        const { presence } = client.channel("room:1");
        presence.on("change", () => {});
        await presence.enter({ name: `member ${i}` });
      }
      const sessions = clients.map(({ client }) => client.session);
      await publish(first, "room:1", range(1, 8));
      await until("both have everything", () => clients.every(({ told }) => told.length === 8));
      const oldEpoch = await epochOf(first, "room:1");

      await first.node.stop();
      const second = await start({ env: { HOLDFAST_PORT: String(port) } });
      expect(second.node.port).toBe(port);
      await publish(second, "room:1", range(1, 3));
      await until("both are back", () => clients.every(({ recovered }) => recovered.length === 1));
      await publish(second, "room:1", [4]);
      const epoch = await epochOf(second, "room:1");
      expect(epoch).not.toBe(oldEpoch);
      await until("both have the newest", () =>
        clients.every((watched) => Bun.deepEquals(newest(watched), { offset: 4, epoch, n: 4 })),
      );

      const gap: Gap = {
        channel: "room:1",
        from: 9,
        to: null,
        reason: "epoch",
        position: { epoch, offset: 0 },
      };
      expect(clients[0]?.told).toEqual([
        ...messages(oldEpoch, 1, 8),
        { gap },
        ...messages(epoch, 1, 4),
      ]);
      expect(clients[1]?.told).toEqual([
        ...messages(oldEpoch, 1, 8),
        { gap },
        { state: "afresh" },
        ...messages(epoch, 1, 4),
      ]);
      expect(fetched).toEqual([gap]);

      const present = async (): Promise<string[]> => {
        const members = await second.node.control.presence("room:1");
        return members.ok ? members.value.map(({ member }) => member).sort() : [];
      };
      await until("both are members again", async () =>
        Bun.deepEquals(await present(), sessions.toSorted()),
      );
      for (const { client } of clients) {
        const ids = (): string[] =>
          client
            .channel("room:1")
            .presence.members()
            .map(({ id }) => id)
            .sort();
        await until("everyone sees both", () => Bun.deepEquals(ids(), sessions.toSorted()));
        expect(client.stats()).toMatchObject({ reconnects: 1, gaps: 1, lost: 0, undeclared: 0 });
      }
      expect([...first.bugs, ...second.bugs]).toEqual([]);
    });

    test("H2, H4: what a volatile channel drops for a client that reads too slowly is declared, and nobody else misses anything", async () => {
      const node = await start();
      const front = await startSwitch(node.node.port);
      cleanups.push(() => front.close());
      const slow = await watch(`ws://127.0.0.1:${front.port}/connect`, "fast:1", codec);
      const quick = await watch(node.url, "fast:1", codec);
      await publish(node, "fast:1", [1]);
      await until("both have the first", () => slow.told.length === 1 && quick.told.length === 1);

      // More than sockets, the switch and the node hold for a client that reads nothing.
      front.stall(true);
      const pad = "x".repeat(32_000);
      for (const n of range(2, 501)) {
        await publish(node, "fast:1", [n], { pad });
        if (n % 4 === 0) await Bun.sleep(1);
      }
      await until("the quick one has all of them", () => quick.told.length === 501);
      front.stall(false);
      await until("the slow one has read what was on its way", () =>
        slow.told.some((item) => "gap" in item),
      );
      await publish(node, "fast:1", [502]);
      await until("both have the newest", () =>
        [slow, quick].every(({ told }) => offsetsIn(told).at(-1) === 502),
      );

      const gaps = slow.told.flatMap((item) => ("gap" in item ? [item.gap] : []));
      expect(withDropped(slow.told)).toEqual(range(1, 502));
      expect(offsetsIn(quick.told)).toEqual(range(1, 502));
      expect(quick.told.some((item) => "gap" in item)).toBe(false);
      expect(new Set(gaps.map(({ reason }) => reason))).toEqual(new Set(["dropped"]));
      expect(slow.states).toEqual(["connected"]);
      const lost = gaps.reduce((sum, { from, to }) => sum + (to ?? 0) - from + 1, 0);
      expect(slow.client.stats()).toMatchObject({
        reconnects: 0,
        gaps: gaps.length,
        lost,
        undeclared: 0,
      });
      expect(node.bugs).toEqual([]);
    });
  });
