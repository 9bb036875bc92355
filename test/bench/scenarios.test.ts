// Owns: every scenario against real servers of every kind that it fits.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type Basics,
  chat,
  connect,
  fanout,
  idle,
  type LoadPlan,
  ping,
  recover,
  runLoad,
  storm,
} from "@holdfast/load";
import { smallBasics } from "./plans.ts";
import { startPlainServer } from "./servers/plain.ts";
import {
  type RunningNode,
  type RunningServer,
  startServe,
  startSocketIo,
} from "./servers/start.ts";

const PUBLISHING = { publishers: 2, publishesPerSecond: 100 };
const DROPPING = { awayMs: 200, msMax: 10_000 };

const SCENARIOS: Readonly<Record<string, (basics: Basics) => LoadPlan>> = {
  connect: (basics) => connect(basics, { churnPerSecond: 20 }),
  fanout: (basics) => fanout(basics, PUBLISHING),
  chat: (basics) => chat(basics, { size: 5, everyMs: 200 }),
  ping: (basics) => ping(basics, { pingsPerSecond: 200 }),
  idle: (basics) => idle(basics, { subscribes: true }),
  recover: (basics) => recover(basics, PUBLISHING, { ...DROPPING, share: 0.4 }),
  storm: (basics) => storm(basics, PUBLISHING, DROPPING),
};

let node: RunningNode;
let socketIo: RunningServer;
const plain = startPlainServer();
beforeAll(async () => {
  [node, socketIo] = await Promise.all([startServe(), startSocketIo()]);
});
afterAll(async () => {
  plain.stop();
  await Promise.all([node?.stop(), socketIo?.stop()]);
});

const TARGETS: readonly (readonly [name: string, basics: () => Basics])[] = [
  ["a node of ours in JSON", () => smallBasics("holdfast", node.url)],
  [
    "a node of ours in MessagePack",
    () => {
      const basics = smallBasics("holdfast", node.url);
      return { ...basics, target: { ...basics.target, codec: "msgpack" } };
    },
  ],
  ["Socket.IO on Node", () => smallBasics("socketio", socketIo.url)],
  ["a bare Bun server", () => smallBasics("ws", plain.url)],
];

for (const [target, basics] of TARGETS) {
  describe(target, () => {
    for (const [name, make] of Object.entries(SCENARIOS)) {
      test(`${name}: everyone gets in, everything arrives`, async () => {
        const plan = make(basics());
        const { total, lost, unanswered, phases } = await runLoad({
          ...plan,
          settleMsMax: isForgotten(plan) ? 300 : plan.settleMsMax,
        });
        const { counts, errors, times } = total;
        expect(errors).toEqual({});
        expect(unanswered).toBe(0);
        expect(phases[0]).toMatchObject({
          do: "connect",
          absent: 0,
          connected: plan.groups.reduce((sum, group) => sum + group.connections, 0),
        });
        expect(times.handshake?.count).toBe(counts.handshakes);
        expect([counts.duplicated, counts.outOfOrder, counts.foreign, counts.gaps]).toEqual([
          0, 0, 0, 0,
        ]);
        expect(lost > 0).toBe(isForgotten(plan));
        if (name === "connect") expect(counts.handshakes).toBeGreaterThan(30);
        if (name === "ping") expect(times.ping?.count).toBe(counts.pings);
        if (["fanout", "recover", "storm"].includes(name))
          expect(counts.delivered + lost).toBe(counts.sent * 30);
        if (name === "chat") expect(counts.delivered).toBe(counts.sent * 5);
        if (name === "recover") expect(times.recovery?.count).toBe(12);
        if (name === "storm") expect(times.recovery?.count).toBe(30);
        if (name !== "idle" && name !== "connect")
          expect(counts.sent + counts.pings).toBeGreaterThan(10);
      });
    }
  });
}

/**
 * Who recovers loses nothing, also of what was published while it was away; a bare server forgets
 * it.
 */
const isForgotten = ({ target, scenario }: LoadPlan) =>
  target.driver === "ws" && (scenario === "recover" || scenario === "storm");
