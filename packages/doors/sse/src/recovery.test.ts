// Checks recovery by seeds: a reader whose connections are lost anywhere, who comes back to any of
// two nodes with the last id that it has read, misses nothing without being told and gets nothing
// twice.
import { describe, expect, test } from "bun:test";
import { createMemoryBroker, createSeededRandom } from "@holdfast/core";
import { createEngineHarness, createManualClock, HandLink, TEST_SETTINGS } from "@holdfast/testkit";
import { patience } from "../../../../test/patience.ts";
import { type Places, readPlaces } from "./places.ts";
import { createStreamDoor, type StreamClient } from "./stream-door.ts";
import { eventsIn, type ReadEvent } from "./testing.ts";

const permissions = { subscribe: "anyone", publish: "anyone", history: "anyone" } as const;
const contract = {
  channels: {
    // The first forgets soon, the second later, the third keeps the newest of each key.
    "short:{x}": { history: { size: 4 }, permissions },
    "long:{x}": { history: { size: 1_000 }, permissions },
    "latest:{x}": { class: "latest", permissions },
  },
} as const;
const CHANNELS = ["short:a", "long:a", "latest:a"] as const;
const STEPS = 120;

/** What the reader knows of one channel, and the faults that it saw. */
class Account {
  readonly faults: string[] = [];
  readonly #at = new Map<string, number>();
  gaps = 0;
  read = 0;

  heard({ event, data }: ReadEvent): void {
    const { channel, offset } = data;
    const before = this.#at.get(channel);
    if (event === "subscribed") {
      if (data.recovered && offset !== before) this.#fault(`recovered at ${offset}`, channel);
      if (before === undefined) this.#at.set(channel, offset);
    } else if (event === "gap") {
      this.gaps += 1;
      if (data.from !== null && before !== undefined && data.from !== before + 1)
        this.#fault(`a gap from ${data.from}`, channel);
      this.#at.set(channel, data.next - 1);
    } else if (event === "publication") {
      this.read += 1;
      const isNext = channel.startsWith("latest")
        ? offset > (before ?? 0)
        : offset === (before ?? -1) + 1;
      if (!isNext) this.#fault(`publication ${offset}`, channel);
      this.#at.set(channel, offset);
    }
  }

  at(channel: string): number | undefined {
    return this.#at.get(channel);
  }

  #fault(what: string, channel: string): void {
    this.faults.push(`${channel}: ${what} behind ${this.#at.get(channel)}`);
  }
}

async function run(seed: number) {
  const random = createSeededRandom(seed);
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: random.fork("broker") });
  const nodes = await Promise.all(
    ["n1", "n2"].map((nodeId) =>
      createEngineHarness({ contract, clock, broker, settings: { ...TEST_SETTINGS, nodeId } }),
    ),
  );
  const doors = nodes.map(({ engine }) => createStreamDoor(engine, random.fork("door")));
  const account = new Account();
  let lastId: string | undefined;
  let open: { readonly link: HandLink; readonly client: StreamClient } | undefined;
  const settle = async () => {
    for (const node of nodes) await node.settle();
  };
  const connect = async () => {
    const index = random.int(2);
    const placesOf = (id: string | undefined): Places => {
      const places = id === undefined ? new Map() : readPlaces(id, CHANNELS);
      if (places === "invalid") throw new Error(`an id that cannot be read: ${id}`);
      return places;
    };
    const link = new HandLink();
    const request = { channels: CHANNELS, places: placesOf(lastId), format: "sse" as const };
    const client = (doors[index] as (typeof doors)[number]).open(link, request, () => {});
    open = { link, client };
    await settle();
  };
  /** The reader gets this many of the messages that were sent; the network has the others. */
  const deliver = (count: number) => {
    const text = open?.link.messages.splice(0, count).map(String).join("") ?? "";
    for (const event of eventsIn("sse", text)) {
      account.heard(event);
      lastId = event.id ?? lastId;
    }
  };
  const publish = async () => {
    const channel = random.pick(CHANNELS);
    const key = channel.startsWith("latest") ? { key: random.pick(["k1", "k2", "k3"]) } : {};
    const text = JSON.stringify("x".repeat(random.int(40)));
    await random.pick(nodes).engine.publish(channel, { payload: { kind: "json", text }, ...key });
  };
  for (let step = 0; step < STEPS; step++) {
    if (open === undefined) await connect();
    else if (random.chance(0.12)) {
      // What was sent and not delivered is lost with it.
      deliver(random.int(3));
      open.client.closed();
      open = undefined;
    } else if (random.chance(0.02)) await nodes[0]?.engine.removeHistory(random.pick(CHANNELS));
    else if (random.chance(0.3)) deliver(random.int(4));
    else await publish();
    if (random.chance(0.5)) await settle();
  }
  // Heal: it reads everything.
  open?.client.closed();
  await connect();
  for (const node of nodes) await node.advance(200);
  deliver(Number.POSITIVE_INFINITY);
  const heads = await Promise.all(
    CHANNELS.map(async (channel) => {
      const page = await nodes[0]?.engine.history(channel, { limit: 1 });
      return page?.ok === true ? page.value.head : -1;
    }),
  );
  return { account, heads, bugs: nodes.flatMap((node) => node.bugs) };
}

describe("a reader that comes back", () => {
  test(
    "gets each publication once and in order, or is told of a gap, in every seed",
    async () => {
      let [gaps, read] = [0, 0];
      for (let seed = 1; seed <= 150; seed++) {
        const { account, heads, bugs } = await run(seed);
        expect({ seed, faults: account.faults, bugs }).toEqual({ seed, faults: [], bugs: [] });
        // What is left of `latest` ends at its newest key; the others at their heads.
        expect({ seed, at: CHANNELS.slice(0, 2).map((name) => account.at(name)) }).toEqual({
          seed,
          at: heads.slice(0, 2),
        });
        gaps += account.gaps;
        read += account.read;
      }
      expect(gaps).toBeGreaterThan(20);
      expect(read).toBeGreaterThan(1_000);
    },
    patience(60_000),
  );
});
