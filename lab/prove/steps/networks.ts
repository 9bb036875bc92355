// Owns: the steps about clients and their networks: one that reads too slowly, ones far away on a
// bad line.
import type { ClientSpec } from "../workload.ts";
import { drainNodes, nodeIds, type Stage, type Step } from "./step.ts";

const common = { mayLoseData: false, isDrain: false, needsRedis: false } as const;

/**
 * More than sockets, proxies and the node hold for a client that reads nothing: 2 × 30 a second of
 * 60 kB.
 */
const FAT_PER_SECOND = 30;
const FAT_BYTES = 60_000;
const STALLED_MS = 6000;

export const slowClient: Step = {
  ...common,
  name: "slow-client",
  title: "A client stops reading for 6 s in fast, fat channels",
  quick: true,
  timeLimitMs: 60_000,
  async run(stage) {
    const { network, workload, frontPort, backEnd } = stage;
    const port = await network.ask("proxy", { name: "slow", target: frontPort });
    await stage.addExtras([extra(stage, 0, [...workload.fat])], port);
    await stage.addExtras([extra(stage, 1, [...workload.fat])], frontPort);
    stage.mark("the slow client stops reading");
    await network.ask("stall", { name: "slow", isStalled: true });
    const pad = "x".repeat(FAT_BYTES);
    const startMs = Date.now();
    const published: Promise<void>[] = [];
    for (let turn = 0; turn < (STALLED_MS * FAT_PER_SECOND) / 1000; turn++) {
      const atMs = startMs + (turn * 1000) / FAT_PER_SECOND;
      await Bun.sleep(Math.max(0, atMs - Date.now()));
      for (const index of workload.fat) {
        const channel = workload.channels[index];
        if (channel !== undefined) published.push(backEnd.publishTo(channel, atMs, pad));
      }
    }
    await network.ask("stall", { name: "slow", isStalled: false });
    stage.mark("it reads again");
    await Promise.all(published);
    await stage.everyoneBack();
  },
};

/**
 * A round trip of 300 ms; 2 of 100 packets come two round trips later, and later packets wait for
 * them.
 */
const WEATHER = { delayMs: 150, loss: 0.02, retransmitMs: 600 } as const;
const FAR_CLIENTS = 10;

export const badNetwork: Step = {
  ...common,
  name: "bad-network",
  title: "Clients with 300 ms latency and 2 % loss, while a node drains",
  quick: false,
  isDrain: true,
  timeLimitMs: 90_000,
  async run(stage) {
    const { network, workload, frontPort } = stage;
    const port = await network.ask("proxy", { name: "far", target: frontPort, weather: WEATHER });
    const specs = Array.from({ length: FAR_CLIENTS }, (_, place) => {
      const channels = workload.clients[place]?.channels ?? [];
      return extra(stage, 10 + place, channels);
    });
    await stage.addExtras(specs, port);
    await Bun.sleep(4000);
    await stage.fleet.start(stage.revision());
    await drainNodes(stage, nodeIds(stage).slice(0, 1));
    await Bun.sleep(2000);
  },
};

function extra({ workload }: Stage, place: number, channels: readonly number[]): ClientSpec {
  return {
    index: workload.clients.length + 1 + place,
    user: `extra-${place}`,
    codec: "json",
    channels,
    publishes: false,
  };
}
