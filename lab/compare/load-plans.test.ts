import { expect, test } from "bun:test";
import { checkPlan, populationOf } from "@holdfast/load";
import { comebackPlan, fanOutPlan, holdPlan, roomsPlan, writersPlan } from "./load-plans.ts";
import { planFrom } from "./plan.ts";

const sizes = planFrom([])?.sizes;
if (sizes === undefined) throw new Error("no sizes");
const goal = { driver: "ws", urls: ["ws://127.0.0.1:1"] } as const;
const times = { quietMs: 1000, awayMs: 2000, msMax: 10_000 };

test("every plan is one that the load generator runs", () => {
  const plans = [
    fanOutPlan(goal, sizes, { subscribers: 1000, publishesPerSecond: 50 }),
    roomsPlan(goal, sizes),
    holdPlan(goal, sizes, { connections: 10_000, subscribes: true, ms: 1000 }),
    holdPlan(goal, sizes, { connections: 10_000, subscribes: false, ms: 1000 }),
    comebackPlan(goal, sizes, times),
    writersPlan(goal, sizes, { each: 100, ms: 2000 }),
  ];
  for (const plan of plans) expect(() => checkPlan(plan)).not.toThrow();
});

test("only the load itself is measured, and the warmers are silent meanwhile", () => {
  for (const plan of [
    fanOutPlan(goal, sizes, { subscribers: 1000, publishesPerSecond: 50 }),
    roomsPlan(goal, sizes),
  ]) {
    const measured = plan.phases.filter((phase) => phase.do === "hold" && phase.isMeasured);
    expect(measured.map(({ name }) => name)).toEqual(["window"]);
    expect(measured).not.toContainEqual(
      expect.objectContaining({ load: expect.objectContaining({ warmers: expect.anything() }) }),
    );
  }
});

test("rooms have their members, and their publishes make the deliveries that are asked for", () => {
  const plan = roomsPlan(goal, sizes);
  const [people] = plan.groups;
  const { members, rooms, deliveriesPerSecond } = sizes.rooms;
  expect(people?.connections).toBe(members * rooms);
  const publishesPerSecond = (1000 / (people?.writes?.everyMs ?? 0)) * members * rooms;
  expect(publishesPerSecond * members).toBeCloseTo(deliveriesPerSecond);
});

test("half of the subscriptions are to channels of their own, half to channels shared by 150", () => {
  const { channels, members } = populationOf(
    holdPlan(goal, sizes, { connections: 3000, subscribes: true, ms: 1 }),
    "1",
  );
  expect(channels).toHaveLength(1500 + 10);
  expect(members.every(({ rooms }) => rooms.length === 1)).toBe(true);
});

test("writers write to the very rooms that the clients come back to, one to each", () => {
  const clients = populationOf(comebackPlan(goal, sizes, times), "1");
  const writers = populationOf(writersPlan(goal, sizes, { each: 100, ms: 2000 }), "2");
  expect(clients.channels).toHaveLength(sizes.recovery.rooms);
  expect([...writers.channels].sort()).toEqual([...clients.channels].sort());
  expect(writers.members.map(({ streams }) => streams.length)).toEqual(
    Array(sizes.recovery.rooms).fill(1),
  );
  const sizesOfRooms = clients.channels.map(
    (_, room) => clients.members.filter(({ rooms }) => rooms.includes(room)).length,
  );
  expect(new Set(sizesOfRooms)).toEqual(new Set([sizes.recovery.clients / sizes.recovery.rooms]));
});
