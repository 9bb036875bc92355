import { expect, test } from "bun:test";
import { createManualClock, createSeededRandom, TEST_SETTINGS } from "@holdfast/testkit";
import { createMemoryBroker } from "../memory-broker/memory-broker.ts";
import type { BusMessage } from "../ports.ts";
import type { Connection } from "../session/connection.ts";
import type { NodeSettings } from "../settings.ts";
import { FleetMember, type Vitals } from "./fleet-member.ts";
import type { FleetMessage, NodeFigures } from "./view.ts";

const FIGURES: NodeFigures = {
  node: "b",
  revision: "r1",
  state: "ready",
  startedAtMs: 0,
  connections: 0,
  sessions: 0,
  handshakesPerSecond: 1000,
  lagMs: 0,
  memoryBytes: 0,
  brokerOk: true,
};

/** A member whose vitals and connections a test sets, and what it told the others. */
function member(settings: Partial<NodeSettings> = {}) {
  const clock = createManualClock({ startMs: 5_000_000 });
  const random = createSeededRandom(3);
  const broker = createMemoryBroker({ clock, random });
  const told: BusMessage[] = [];
  broker.connect("ear").bus.listen((message) => void told.push(message));
  const vitals: { -readonly [name in keyof Vitals]: Vitals[name] } = {
    lagMs: 0,
    memoryBytes: 0,
    brokerOk: true,
  };
  const connections = new Set<Connection>();
  const asked: Connection[] = [];
  const rebalanced: number[] = [];
  const returned: string[] = [];
  const of = { settings: { ...TEST_SETTINGS, ...settings, nodeId: "a" } };
  const fleet = new FleetMember(
    {
      clock,
      random,
      broker: broker.connect("a"),
      observer: {
        nodeChanged() {},
        rebalanced: (count) => void rebalanced.push(count),
        cameBack: (from) => void returned.push(from),
      },
      sessions: {
        connections,
        get count() {
          return connections.size;
        },
      },
      settings: () => of.settings,
      background: (_what, work) => void work,
    },
    {
      state: () => "ready",
      startedAtMs: () => 0,
      drain: () => undefined,
      orders: () => ({ obeyed: 0, refused: 0, expired: 0 }),
      shed: () => undefined,
      hasShed: () => false,
      vitals: () => vitals,
    },
  );
  const connect = (more: Partial<Connection> = {}): void => {
    const connection = {
      session: `s${connections.size}`,
      phase: "open",
      migrates: true,
      send: ({ t }: { t: string }) => t === "migrate" && asked.push(connection),
      ...more,
    } as unknown as Connection;
    connections.add(connection);
  };
  const hear = (figures: Partial<NodeFigures> = {}): void =>
    fleet.heard({ kind: "figures", from: "b", figures: { ...FIGURES, ...figures } });
  const advance = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 50) {
      clock.advance(50);
      for (let turn = 0; turn < 5; turn++) {
        await Promise.resolve();
        clock.flush();
      }
    }
  };
  return {
    fleet,
    of,
    vitals,
    told,
    connections,
    asked,
    rebalanced,
    returned,
    connect,
    hear,
    advance,
  };
}

test("a member tells its figures once each time that is due, until it stops", async () => {
  const { fleet, told, advance } = member();
  fleet.start();
  await advance(10_000);
  const count = (kind: FleetMessage["kind"]) => told.filter((one) => one.kind === kind).length;
  expect(count("figures")).toBe(11);
  fleet.stop();
  await advance(3000);
  expect([count("figures"), count("left")]).toEqual([11, 1]);
});

test("what a member takes falls with handshakes that make it late, each counted once", async () => {
  const admission = { ...TEST_SETTINGS.admission, handshakesPerSecond: 3 };
  const { fleet, vitals, advance } = member({ admission });
  fleet.start();
  await advance(500);
  fleet.tookIn();
  vitals.lagMs = TEST_SETTINGS.fleet.lagMsMax + 1;
  await advance(500);
  expect(fleet.handshakesPerSecond).toBeCloseTo(3 * 0.7);
  await advance(1000);
  expect(fleet.handshakesPerSecond).toBeCloseTo(3 * 0.75);
  await advance(1000);
  expect(fleet.handshakesPerSecond).toBeCloseTo(3 * 0.8);
});

const even = (more: Partial<NodeSettings["fleet"]> = {}) => ({
  fleet: { ...TEST_SETTINGS.fleet, rebalance: true, nodeLeaseMs: 60_000, ...more },
});

test("only sessions that can move are asked to, each once, and only they are counted", async () => {
  const { fleet, asked, rebalanced, connect, hear, advance } = member(even());
  fleet.start();
  for (let i = 0; i < 7; i++) connect({ migrates: false });
  connect({ phase: "checking" });
  connect();
  connect();
  hear();
  await advance(20_000);
  expect(asked).toHaveLength(2);
  expect(rebalanced.reduce((sum, count) => sum + count, 0)).toBe(2);
});

test("as many are asked as are above the share, from when evening out is configured", async () => {
  const { fleet, of, asked, rebalanced, connect, hear, advance } = member();
  fleet.start();
  for (let i = 0; i < 10; i++) connect();
  hear();
  await advance(4500);
  expect(asked).toHaveLength(0);
  of.settings = { ...of.settings, ...even() };
  fleet.configure();
  hear();
  await advance(4500);
  expect(asked).toHaveLength(5);
  expect(rebalanced.reduce((sum, count) => sum + count, 0)).toBe(5);
});

test("a session that was asked and came back is not asked again for an hour, and the others are", async () => {
  const { fleet, connections, asked, returned, connect, hear, advance } = member(
    even({ rebalanceCooldownMs: 0, nodeLeaseMs: 2 * 60 * 60_000 }),
  );
  fleet.start();
  for (let i = 0; i < 6; i++) connect();
  hear();
  /** Each that is asked comes back: as another connection of the same session. */
  const play = async (ms: number): Promise<string[]> => {
    const sessions: string[] = [];
    for (let left = ms; left > 0; left -= 1000) {
      await advance(1000);
      for (const before of asked.splice(0)) {
        sessions.push(before.session);
        fleet.tookBack(before);
        connect({ session: before.session });
        connections.delete(before);
      }
    }
    return sessions;
  };
  const first = await play(60_000);
  expect(first.toSorted()).toEqual(["s0", "s1", "s2", "s3", "s4", "s5"]);
  expect(returned).toEqual(first.map(() => "rebalance"));
  expect(await play(50 * 60_000)).toEqual([]);
  expect((await play(60 * 60_000)).toSorted().slice(0, 1)).toEqual(["s0"]);
});

test("what a member has learned of the balancer it tells the others, and they begin with it", async () => {
  const [first, second] = [member(), member()];
  const newer: NodeFigures = { ...FIGURES, node: "f", revision: "r2", startedAtMs: 1 };
  for (const { fleet } of [first, second]) {
    fleet.start();
    fleet.heard({ kind: "figures", from: "f", figures: { ...newer, startedAtMs: Date.now() } });
  }
  expect(first.fleet.self().boundOdds).toBeUndefined();
  for (let i = 0; i < 8; i++) {
    while (first.fleet.turnedAwayMs(`s${i}`) > 0);
  }
  await first.advance(1500);
  const { boundOdds } = first.fleet.self();
  expect(boundOdds).toBeGreaterThan(1);
  expect(first.returned).toHaveLength(48);
  second.fleet.heard({
    kind: "figures",
    from: "g",
    figures: { ...FIGURES, node: "g", boundOdds: 50 },
  });
  expect(second.fleet.self().boundOdds).toBe(50);
  let away = 0;
  for (let i = 0; i < 300; i++) if (second.fleet.turnedAwayMs(`s${i}`) > 0) away += 1;
  // Some are sent away all the same: the balancer may have changed.
  expect(away).toBeGreaterThan(3);
  expect(away).toBeLessThan(40);
});

test("a member one session above its share turns moving sessions away, one at its share does not", () => {
  const { fleet, connect, hear } = member(even({ rebalanceSessionsMin: 1 }));
  for (let i = 0; i < 3; i++) connect();
  hear({ sessions: 3 });
  expect(fleet.turnedAwayMs("s")).toBe(0);
  hear({ sessions: 1 });
  expect(fleet.turnedAwayMs("s")).toBeGreaterThan(0);
});

test("a member alone turns nobody away", () => {
  const { fleet, connect } = member(even({ rebalanceSessionsMin: 1 }));
  for (let i = 0; i < 3; i++) connect();
  expect(fleet.turnedAwayMs("s")).toBe(0);
});

test("if one node of five is newer, most moving sessions are turned away and some are not", () => {
  const { fleet, hear } = member();
  for (const node of ["c", "d", "e"]) hear({ node });
  fleet.heard({
    kind: "figures",
    from: "f",
    figures: { ...FIGURES, node: "f", revision: "r2", startedAtMs: Date.UTC(2026, 0, 1) },
  });
  let away = 0;
  for (let i = 0; i < 300; i++) if (fleet.turnedAwayMs(`s${i}`) > 0) away += 1;
  expect(away).toBeGreaterThan(220);
  expect(away).toBeLessThan(280);
});

test("of the sessions that were turned away, those that it was longest ago are forgotten", () => {
  const { fleet, connect, hear } = member(even({ rebalanceSessionsMin: 1 }));
  for (let i = 0; i < 3; i++) connect();
  hear();
  const times = (session: string): number => {
    let count = 0;
    while (count < 10 && fleet.turnedAwayMs(session) > 0) count += 1;
    return count;
  };
  const meet = (from: number, to: number): void => {
    for (let i = from; i < to; i++) fleet.turnedAwayMs(`s${i}`);
  };
  expect(times("old")).toBe(6);
  for (let i = 0; i < 5; i++) fleet.turnedAwayMs("kept");
  meet(0, 9998);
  expect(times("old")).toBe(0);
  expect(times("kept")).toBe(1);
  meet(9998, 9999);
  expect(times("old")).toBe(6);
  expect(times("kept")).toBe(0);
});
