// Checks that every server that is compared does the work that is measured, and that a measurement
// notices when one does not.
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  fanOutPlan,
  measureFlow,
  measureRecovery,
  planFrom,
  roomsPlan,
  Servers,
  usageOf,
} from "@holdfast/lab/compare";
import { patience } from "../patience.ts";

setDefaultTimeout(patience(60_000));

const folder = mkdtempSync(join(import.meta.dir, "../../.cache/compare-test-"));
/** Path of a Centrifugo, where one is to be tested too. */
const { CENTRIFUGO = "" } = process.env;
const servers = new Servers({
  folder,
  centrifugo: { path: CENTRIFUGO },
  pinning: { text: undefined, onServerCore: (command) => command },
});
afterAll(async () => {
  await servers.stopAll();
  rmSync(folder, { recursive: true });
});

const quick = planFrom(["--quick"])?.sizes;
if (quick === undefined) throw new Error("no sizes");
const sizes = {
  ...quick,
  rooms: { rooms: 4, members: 5, deliveriesPerSecond: 500 },
  recovery: { clients: 20, rooms: 4, missed: 10 },
  warmUpMs: 200,
  windowMs: 800,
};

/** No figure is compared here: the servers are held to counts alone. */
const HELD_P50_MS_MAX = patience(1_000);

const cases = [
  ["bun", 1],
  ["ws", 1],
  ["socketio", 1],
  ["holdfast", 1],
  ["socketio-redis", 2],
  ["holdfast-redis", 2],
  ...(CENTRIFUGO === "" ? [] : [["centrifugo", 1] as const]),
] as const;

for (const [rival, nodes] of cases) {
  test(`${rival} on ${nodes} delivers every publication to every member of its room once, and its CPU is read`, async () => {
    const running = await servers.start({ rival, nodes, recovers: false, connectionsMax: 500 });
    try {
      expect(running.urls).toHaveLength(nodes);
      const fanOut = await measureFlow(
        running,
        fanOutPlan(running, sizes, { subscribers: 30, publishesPerSecond: 50 }),
        HELD_P50_MS_MAX,
      );
      const rooms = await measureFlow(running, roomsPlan(running, sizes), HELD_P50_MS_MAX);
      expect([fanOut.wrong, rooms.wrong]).toEqual([0, 0]);
      expect(fanOut.deliveries % 30).toBe(0);
      expect(fanOut.deliveries).toBeGreaterThan(0);
      expect(running.usage()?.rssBytes).toBeGreaterThan(10 * 2 ** 20);
      expect(running.redisUsage() === undefined).toBe(!rival.endsWith("-redis"));
    } finally {
      await running.stop();
    }
  });
}

test("Holdfast and Socket.IO give every client that comes back exactly what it missed", async () => {
  const recovered = (
    ["holdfast", "socketio", ...(CENTRIFUGO === "" ? [] : (["centrifugo"] as const))] as const
  ).map(async (rival) => {
    const running = await servers.start({ rival, nodes: 1, recovers: true, connectionsMax: 500 });
    try {
      return await measureRecovery(running, sizes);
    } finally {
      await running.stop();
    }
  });
  for (const { recovered: found, wrong } of await Promise.all(recovered)) {
    expect(found).toBeGreaterThanOrEqual(20 * 10);
    expect(wrong).toBe(0);
  }
});

test("a server that forgets and repeats is found out", async () => {
  let count = 0;
  const careless = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) =>
      self.upgrade(request) ? undefined : new Response("", { status: 426 }),
    websocket: {
      message(socket, message) {
        const text = String(message);
        if (text.startsWith("sub ")) {
          socket.subscribe(text.slice(4));
          socket.send(`ok ${text.slice(4)}`);
          return;
        }
        const [, channel = "", payload = ""] = text.split(" ");
        const copies = ++count % 10 === 0 ? 0 : count % 10 === 5 ? 2 : 1;
        for (let copy = 0; copy < copies; copy++) careless.publish(channel, payload);
      },
    },
  });
  try {
    const running = {
      driver: "ws" as const,
      urls: [`ws://127.0.0.1:${careless.port}`],
      version: "",
      usage: () => usageOf([process.pid]),
      redisUsage: () => undefined,
      collectGarbage: () => {},
      stop: async () => {},
    };
    const plan = {
      ...fanOutPlan(running, sizes, { subscribers: 10, publishesPerSecond: 100 }),
      settleMsMax: 500,
    };
    const { wrong } = await measureFlow(running, plan, HELD_P50_MS_MAX);
    expect(wrong).toBeGreaterThan(0);
  } finally {
    await careless.stop(true);
  }
});
