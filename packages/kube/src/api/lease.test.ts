import { expect, test } from "bun:test";
import { createManualClock, createSeededRandom, type ManualClock } from "@holdfast/testkit";
import { Lease, type LeaseEvent, type LeaseOptions } from "./lease.ts";
import { microTime } from "./lease-record.ts";
import { LeaseServer, type Path } from "./testing/lease-server.ts";

/** Of a new Lease at the manual clock's first moment, the beginning of 2026. */
const FIRST = 1;

interface Candidate {
  readonly lease: Lease;
  readonly path: Path;
  readonly told: string[];
  readonly events: LeaseEvent[];
  readonly clock: ManualClock;
}

let seed = 0;

function candidate(server: LeaseServer, clock: ManualClock, more: Partial<LeaseOptions> = {}) {
  seed += 1;
  const path: Path = { state: "open" };
  const [told, events]: [string[], LeaseEvent[]] = [[], []];
  const lease = new Lease({
    ...{ api: server.apiFor(path), namespace: "x", name: "operator", identity: "pod" },
    ...{ clock, random: { next: randomOf(seed) } },
    onLead: (epoch) => told.push(`leads ${epoch}`),
    onLose: (because) => void told.push(`lost: ${because}`),
    tell: (event) => events.push(event),
    ...more,
  });
  lease.start();
  const one: Candidate = { lease, path, told, events, clock };
  return one;
}

const randomOf = (number: number) => {
  const random = createSeededRandom(number);
  return () => random.next();
};

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await undefined;
}

/** In steps, as candidates act between them. After each, at most one of `all` may lead. */
async function pass(ms: number, all: readonly Candidate[]): Promise<void> {
  const clocks = new Set(all.map(({ clock }) => clock));
  await settle();
  for (let passed = 0; passed < ms; passed += 100) {
    for (const clock of clocks) clock.advance(Math.min(100, ms - passed));
    await settle();
    expect(all.filter(({ lease }) => lease.isLeader).length).toBeLessThanOrEqual(1);
  }
}

test("the first makes the Lease and leads; the second waits as long as it is renewed", async () => {
  const [server, clock] = [new LeaseServer(), createManualClock()];
  const one = candidate(server, clock);
  await settle();
  const two = candidate(server, clock);
  expect(one.told).toEqual([`leads ${FIRST}`]);
  expect(one.lease.epoch).toBe(FIRST);
  await pass(600_000, [one, two]);
  expect([one.told.length, two.told.length]).toEqual([1, 0]);
  expect(one.lease.identity).not.toBe(two.lease.identity);
  expect(server.spec).toMatchObject({
    ...{ holderIdentity: one.lease.identity, leaseDurationSeconds: 15, leaseTransitions: FIRST },
    ...{ acquireTime: "2026-01-01T00:00:00.000000Z", renewTime: "2026-01-01T00:10:00.000000Z" },
  });
});

test("of many that begin together one leads", async () => {
  const [server, clock] = [new LeaseServer(), createManualClock()];
  const all = Array.from({ length: 10 }, () => candidate(server, clock));
  await pass(60_000, all);
  expect(all.flatMap(({ told }) => told)).toEqual([`leads ${FIRST}`]);
});

test("a leader that nobody hears any more gives up before another leads, with a higher epoch", async () => {
  const [server, clock] = [new LeaseServer(), createManualClock()];
  const one = candidate(server, clock);
  await settle();
  const two = candidate(server, clock);
  await pass(30_000, [one, two]);
  one.path.state = "lost";
  await pass(10_000, [one, two]);
  expect(one.told).toEqual([`leads ${FIRST}`, "lost: not renewed in time"]);
  expect(two.told).toEqual([]);
  await pass(12_000, [one, two]);
  expect(two.told).toEqual([`leads ${FIRST + 1}`]);
  one.path.state = "open";
  await pass(60_000, [one, two]);
  expect(one.told.length).toBe(2);
});

test.each(["lost", "deaf", "hangs"] as const)(
  "with requests that are %s by turns, two never lead and epochs only rise",
  async (state) => {
    for (let round = 0; round < 20; round += 1) {
      const random = createSeededRandom(round);
      const [server, clock] = [new LeaseServer(), createManualClock()];
      const all = Array.from({ length: 3 }, () => candidate(server, clock));
      for (let step = 0; step < 40; step += 1) {
        for (const { path } of all) path.state = random.next() < 0.5 ? state : "open";
        await pass(Math.floor(random.next() * 8000), all);
      }
      for (const { path } of all) path.state = "open";
      await pass(40_000, all);
      expect(all.filter(({ lease }) => lease.isLeader).length).toBe(1);
      const epochs = all.flatMap(({ told }) => told.filter((one) => one.startsWith("leads")));
      expect(new Set(epochs).size).toBe(epochs.length);
    }
  },
);

test("clocks of the wall do not count", async () => {
  const server = new LeaseServer();
  const [here, there] = [
    createManualClock({ wallStartMs: Date.UTC(2030, 0, 1) }),
    createManualClock({ wallStartMs: Date.UTC(2020, 0, 1) }),
  ];
  const one = candidate(server, here);
  await settle();
  const two = candidate(server, there);
  await pass(60_000, [one, two]);
  here.jumpWall(-86_400_000);
  there.jumpWall(86_400_000);
  await pass(60_000, [one, two]);
  expect([one.told.length, two.told.length]).toEqual([1, 0]);
});

test("a process that was stopped knows before its timers do", async () => {
  const server = new LeaseServer();
  const [here, there] = [createManualClock(), createManualClock()];
  let stoppedMs = 0;
  const clock: ManualClock = { ...here, nowMs: () => here.nowMs() + stoppedMs };
  const one = candidate(server, clock);
  await settle();
  const two = candidate(server, there);
  await pass(30_000, [two]);
  expect(two.told).toEqual([`leads ${FIRST + 1}`]);
  expect(one.lease.isLeader).toBe(true);
  stoppedMs = 30_000;
  expect([one.lease.isLeader, one.lease.epoch]).toEqual([false, undefined]);
  await pass(5000, [one, two]);
  expect(one.told[1]).toStartWith("lost: ");
});

test("a renewal proves the time when it was sent, not when it was answered", async () => {
  const [server, clock] = [new LeaseServer(), createManualClock()];
  const one = candidate(server, clock);
  await settle();
  const gate = Promise.withResolvers<void>();
  Object.assign(one.path, { state: "slow", gate: gate.promise });
  await pass(5000, [one]);
  gate.resolve();
  await settle();
  one.path.state = "lost";
  await pass(6900, [one]);
  expect(one.lease.isLeader).toBe(true);
  await pass(200, [one]);
  expect(one.told.at(-1)).toBe("lost: not renewed in time");
});

test("a lease that was acquired while its candidate ended is handed back", async () => {
  const [server, clock] = [new LeaseServer(), createManualClock()];
  const gate = Promise.withResolvers<void>();
  const one = candidate(server, clock);
  Object.assign(one.path, { state: "slow", gate: gate.promise });
  await settle();
  const stopped = one.lease.stop();
  gate.resolve();
  await stopped;
  expect([server.spec.holderIdentity, one.told]).toEqual(["", []]);
});

test("a lease that was acquired too long ago begins no term", async () => {
  const [server, here] = [new LeaseServer(), createManualClock()];
  let stoppedMs = 0;
  const clock: ManualClock = { ...here, nowMs: () => here.nowMs() + stoppedMs };
  const gate = Promise.withResolvers<void>();
  const one = candidate(server, clock);
  Object.assign(one.path, { state: "slow", gate: gate.promise });
  await settle();
  stoppedMs = 30_000;
  gate.resolve();
  await settle();
  expect([server.writes, one.told]).toEqual([1, []]);
  await pass(6000, [one]);
  expect(one.told).toEqual([`leads ${FIRST + 1}`]);
});

test("a Lease that was taken ends the term with the next renewal", async () => {
  const [server, clock] = [new LeaseServer(), createManualClock()];
  const one = candidate(server, clock);
  await settle();
  server.put({ holderIdentity: "thief", leaseTransitions: 50, leaseDurationSeconds: 15 });
  await pass(2100, [one]);
  expect(one.told.at(-1)).toBe("lost: taken by thief");
  await pass(20_000, [one]);
  expect(one.told.at(-1)).toBe("leads 51");
});

test("a Lease that was removed ends the term, and the new one has a higher epoch", async () => {
  const [server, clock] = [new LeaseServer(), createManualClock()];
  const one = candidate(server, clock);
  await pass(30_000, [one]);
  server.lease = undefined;
  await pass(4000, [one]);
  expect(one.told.slice(0, 2)).toEqual([`leads ${FIRST}`, "lost: removed"]);
  const [, , again] = one.told;
  expect(Number(again?.split(" ")[1])).toBeGreaterThan(FIRST);
});

test("a change of the metadata alone is no sign of life, and is kept", async () => {
  const [server, clock] = [new LeaseServer(), createManualClock()];
  server.put({ holderIdentity: "dead", leaseDurationSeconds: 15, leaseTransitions: 3 });
  const one = candidate(server, clock);
  for (let round = 0; round < 8; round += 1) {
    server.put(server.spec);
    await pass(2500, [one]);
  }
  expect(one.told).toEqual(["leads 4"]);
});

test("a record may ask for more time, within limits", async () => {
  const [server, clock] = [new LeaseServer(), createManualClock()];
  server.put({ holderIdentity: "dead", leaseDurationSeconds: 2_000_000_000 });
  const one = candidate(server, clock);
  await pass(299_000, [one]);
  expect(one.told).toEqual([]);
  await pass(6000, [one]);
  expect(one.told).toEqual(["leads 1"]);
});

test("a stop ends the term, waits for the work, and hands over at once", async () => {
  const [server, clock] = [new LeaseServer(), createManualClock()];
  const work = Promise.withResolvers<void>();
  const one = candidate(server, clock, { onLose: () => work.promise });
  await settle();
  const two = candidate(server, clock);
  await pass(9000, [one, two]);
  const stopped = one.lease.stop();
  expect(one.lease.isLeader).toBe(false);
  await pass(6000, [one, two]);
  expect(two.told).toEqual([]);
  work.resolve();
  await stopped;
  expect(server.spec).toMatchObject({ holderIdentity: "", leaseTransitions: FIRST });
  await pass(4500, [one, two]);
  expect(two.told).toEqual([`leads ${FIRST + 1}`]);
});

test("work that does not end in its time keeps the Lease from the next one until it has run out", async () => {
  const [server, clock] = [new LeaseServer(), createManualClock()];
  const one = candidate(server, clock, { onLose: () => new Promise(() => {}) });
  await settle();
  const two = candidate(server, clock);
  const stopped = one.lease.stop();
  await pass(10_000, [one, two]);
  await stopped;
  expect(server.spec.holderIdentity).toBe(one.lease.identity);
  await pass(10_000, [one, two]);
  expect(two.told).toEqual([`leads ${FIRST + 1}`]);
});

test("a stop during a renewal or an acquisition hands over as well", async () => {
  for (const beforeMs of [0, 2000]) {
    const [server, clock] = [new LeaseServer(), createManualClock()];
    const one = candidate(server, clock);
    if (beforeMs > 0) await pass(beforeMs - 100, [one]);
    clock.advance(100);
    await undefined;
    await one.lease.stop();
    expect(server.spec.holderIdentity ?? "").toBe("");
    expect(clock.waiting()).toBe(0);
    expect(one.told.length % 2).toBe(0);
  }
});

test("callbacks and observers that throw stop nothing", async () => {
  const [server, clock] = [new LeaseServer(), createManualClock()];
  const thrower = () => {
    throw new TypeError("mine");
  };
  const one = candidate(server, clock, { onLead: thrower, onLose: thrower, tell: thrower });
  await pass(30_000, [one]);
  expect(one.lease.isLeader).toBe(true);
  one.path.state = "lost";
  await pass(12_000, [one]);
  expect(one.lease.isLeader).toBe(false);
  one.path.state = "open";
  await pass(10_000, [one]);
  expect(one.lease.isLeader).toBe(true);
  await one.lease.stop();
  expect(server.spec.holderIdentity).toBe("");
});

test("a time has six digits behind its seconds", () => {
  expect(microTime(Date.UTC(2026, 0, 2, 3, 4, 5, 6))).toBe("2026-01-02T03:04:05.006000Z");
});
