import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { Holdfast } from "@holdfast/client";
import type { ContractDefinition } from "@holdfast/contract";
import { startNode, type TestNode, until } from "../integration/start-node.ts";
import { patience } from "../patience.ts";
import { freshPrefix } from "./harness.ts";
import { startServer, stopServers, type TestServer } from "./servers.ts";

setDefaultTimeout(patience(60_000));

const OPEN = {
  subscribe: "anyone",
  publish: "anyone",
  presence: "anyone",
  history: "anyone",
} as const;
const CONTRACT: ContractDefinition = {
  channels: {
    "chat:{room}": {
      presence: true,
      permissions: OPEN,
      history: { size: 100_000, ttlMs: 600_000 },
    },
  },
};
const CHANNELS = ["chat:a", "chat:b", "chat:c"];

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What one subscriber was told, in the order in which it was told. */
interface Told {
  readonly channel: string;
  readonly events: (
    | { readonly offset: number; readonly n: number }
    | { readonly gap: readonly [number, number | null]; readonly reason: string }
  )[];
}

interface Fleet {
  readonly redis: TestServer;
  readonly nodes: readonly TestNode[];
  readonly told: readonly Told[];
  /** Values whose publishing was acknowledged, by channel. */
  readonly acknowledged: ReadonlyMap<string, Map<number, number>>;
  readonly refused: () => number;
  stopPublishing(): Promise<void>;
}

/**
 * Two nodes over one server; four clients on either listen to three channels, and three of them
 * publish steadily.
 */
async function fleetUnderLoad(persistence: "none" | "aof"): Promise<Fleet> {
  const redis = await startServer({ persistence });
  cleanups.push(() => stopServers([redis]));
  const env = { HOLDFAST_BROKER_URL: `${redis.url}?prefix=${freshPrefix()}` };
  const nodes = [
    await startNode({ env, contract: CONTRACT }),
    await startNode({ env, contract: CONTRACT }),
  ];
  cleanups.push(() => Promise.all(nodes.map(({ node }) => node.stop())));
  const told: Told[] = [];
  const clients = await Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const client = new Holdfast(nodes[index % 2]?.url ?? "");
      cleanups.push(() => client.close());
      for (const channel of CHANNELS) {
        const one: Told = { channel, events: [] };
        told.push(one);
        const subscription = client
          .channel(channel)
          .subscribe((message) =>
            one.events.push({ offset: message.offset, n: (message.data as { n: number }).n }),
          );
        subscription.on("gap", ({ from, to, reason }) =>
          one.events.push({ gap: [from, to], reason }),
        );
        await subscription.ready;
      }
      return client;
    }),
  );
  const acknowledged = new Map(CHANNELS.map((channel) => [channel, new Map<number, number>()]));
  let isPublishing = true;
  let next = 0;
  let refused = 0;
  const publishing = clients.slice(0, 3).map(async (client, index) => {
    const channel = CHANNELS[index] ?? "";
    while (isPublishing) {
      const n = next++;
      await client
        .channel(channel)
        .publish({ n })
        .then(
          ({ offset }) => acknowledged.get(channel)?.set(n, offset),
          () => refused++,
        );
      await Bun.sleep(2);
    }
  });
  return {
    redis,
    nodes,
    told,
    acknowledged,
    refused: () => refused,
    async stopPublishing() {
      isPublishing = false;
      await Promise.all(publishing);
    },
  };
}

/**
 * Every acknowledged publication came once, in order, or lies in a gap that was declared before
 * anything newer. Answers how many gaps there were.
 */
function judge({ told, acknowledged }: Fleet): number {
  let gaps = 0;
  for (const { channel, events } of told) {
    const seen = new Map<number, number>();
    const holes: (readonly [number, number])[] = [];
    let last = 0;
    let newEpoch = false;
    for (const event of events) {
      if ("gap" in event) {
        gaps += 1;
        newEpoch ||= event.reason === "epoch";
        if (event.reason === "epoch") last = 0;
        else holes.push([event.gap[0], event.gap[1] ?? Number.POSITIVE_INFINITY]);
        continue;
      }
      expect(event.offset).toBeGreaterThan(last);
      // Nothing is left out without a word.
      if (last > 0 && event.offset > last + 1)
        expect(holes.some(([from, to]) => from <= last + 1 && to >= event.offset - 1)).toBe(true);
      last = event.offset;
      expect(seen.has(event.n)).toBe(false);
      seen.set(event.n, event.offset);
    }
    for (const [n, offset] of acknowledged.get(channel) ?? []) {
      if (!seen.has(n))
        expect(newEpoch || holes.some(([from, to]) => from <= offset && offset <= to)).toBe(true);
    }
  }
  return gaps;
}

const countOf = ({ acknowledged }: Fleet): number =>
  [...acknowledged.values()].reduce((sum, one) => sum + one.size, 0);
const resumed = (fleet: Fleet, before: number): Promise<void> =>
  until("publishes are acknowledged again", () => countOf(fleet) > before + 60, 20_000);
const settled = (fleet: Fleet): Promise<void> =>
  until("the last acknowledged publications arrived", () =>
    fleet.told.every(({ channel, events }) => {
      const [n] = [...(fleet.acknowledged.get(channel) ?? [])].at(-1) ?? [];
      return events.some((event) => "n" in event && event.n === n);
    }),
  );

test("H1, H2, H3: the server is killed and comes back with its data under load: nothing acknowledged is lost or comes twice, holes are declared", async () => {
  const fleet = await fleetUnderLoad("aof");
  await Bun.sleep(500);
  await fleet.redis.kill();
  await until(
    "not ready",
    async () => (await fetch(`${fleet.nodes[0]?.internalUrl}/readyz`)).status !== 200,
  );
  await Bun.sleep(300);
  await fleet.redis.restart();
  await resumed(fleet, countOf(fleet));
  await until(
    "ready",
    async () => (await fetch(`${fleet.nodes[0]?.internalUrl}/readyz`)).status === 200,
  );
  await fleet.stopPublishing();
  await settled(fleet);
  judge(fleet);
  // With every command on the disk nothing was lost; what was acknowledged, everybody has.
  for (const { channel, events } of fleet.told) {
    const seen = new Set(events.flatMap((event) => ("n" in event ? [event.n] : [])));
    expect(
      [...(fleet.acknowledged.get(channel)?.keys() ?? [])].filter((n) => !seen.has(n)),
    ).toEqual([]);
  }
  expect(fleet.nodes.flatMap(({ bugs }) => bugs)).toEqual([]);
});

test("H2: the server comes back empty under load: everybody is told of a new epoch before anything newer", async () => {
  const fleet = await fleetUnderLoad("none");
  await Bun.sleep(500);
  await fleet.redis.kill();
  await Bun.sleep(300);
  await fleet.redis.restart();
  await resumed(fleet, countOf(fleet));
  await fleet.stopPublishing();
  await settled(fleet);
  judge(fleet);
  for (const { events } of fleet.told)
    expect(events.some((event) => "gap" in event && event.reason === "epoch")).toBe(true);
  expect(fleet.nodes.flatMap(({ bugs }) => bugs)).toEqual([]);
});

test("H1: the server is frozen for two seconds under load: nothing is lost, nothing comes twice, no gap", async () => {
  const fleet = await fleetUnderLoad("none");
  await Bun.sleep(300);
  fleet.redis.freeze();
  await Bun.sleep(2_000);
  fleet.redis.thaw();
  await resumed(fleet, countOf(fleet));
  await fleet.stopPublishing();
  await settled(fleet);
  expect(judge(fleet)).toBe(0);
  expect(fleet.nodes.flatMap(({ bugs }) => bugs)).toEqual([]);
});

test("H4: passwords are in no log and no error", async () => {
  const redis = await startServer({ password: "sesame-open-0815" });
  cleanups.push(() => stopServers([redis]));
  const url = (password: string) => redis.url.replace("redis://", `redis://:${password}@`);
  const fine = await startNode({
    env: { HOLDFAST_BROKER_URL: url("sesame-open-0815") },
    contract: CONTRACT,
  });
  cleanups.push(() => fine.node.stop());
  const error: unknown = await startNode({
    env: { HOLDFAST_BROKER_URL: url("wrong-but-hidden") },
    contract: CONTRACT,
  }).catch((reason) => reason);
  const said = `${String(error)} ${Bun.inspect(error)}`;
  expect(said).toContain("WRONGPASS");
  expect(said).toContain(`redis://127.0.0.1:${redis.port}`);
  expect(said).not.toContain("hidden");
  expect(said).not.toContain("sesame");
});
