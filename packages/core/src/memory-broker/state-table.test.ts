// Owns: tests of the memory broker's states: limits, shares, ends, fences. What every store has to
// do is in the contract suite.
import { describe, expect, test } from "bun:test";
import { createManualClock, createSeededRandom } from "@holdfast/testkit";
import type { HeldState } from "../state-port.ts";
import { createMemoryBroker } from "./index.ts";
import { StateTable } from "./state-table.ts";

const LIMITS = { statesMax: 10, stateBytesMax: 10_000 };
const AT = { nowMs: 0, wallMs: 1_000 };
const LEASE = { leaseMs: 1_000, keepMs: 1_000 };

const bytes = (length: number): Uint8Array => new Uint8Array(length);

function held(found: ReturnType<StateTable["take"]>): HeldState {
  if (typeof found !== "object") throw new Error(`not held: ${found}`);
  return found;
}

const take = (table: StateTable, key: string, nowMs = 0): HeldState =>
  held(table.take(key, { owner: "o", leaseMs: 1_000 }, { nowMs, wallMs: 1_000 + nowMs }));

describe("room", () => {
  test("a state counts its base, twice its key, and its value, and gives all of it back", () => {
    const table = new StateTable(LIMITS);
    const hold = take(table, "key");
    expect(table.bytes).toBe(512 + 6);
    table.write("key", hold, bytes(100), { ...LEASE, nowMs: 0 });
    expect(table.bytes).toBe(512 + 6 + 100);
    table.write("key", hold, bytes(40), { ...LEASE, nowMs: 0 });
    expect(table.bytes).toBe(512 + 6 + 40);
    table.write("key", hold, undefined, { leaseMs: 0, keepMs: 0, nowMs: 0 });
    expect([table.bytes, table.count]).toEqual([0, 0]);
  });

  test("at the most keys and at the most bytes new ones are refused, known ones are taken", () => {
    const table = new StateTable({ ...LIMITS, statesMax: 2 });
    const first = take(table, "a");
    take(table, "b");
    expect(table.take("c", { owner: "o", leaseMs: 1 }, AT)).toBe("full");
    expect(typeof table.take("a", { owner: "p", leaseMs: 1 }, AT)).toBe("object");
    expect(table.write("a", first, bytes(1), { ...LEASE, nowMs: 0 })).toBe("fenced");
    const tight = new StateTable({ ...LIMITS, stateBytesMax: 514 + 100 });
    const only = take(tight, "a");
    expect(tight.write("a", only, bytes(101), { ...LEASE, nowMs: 0 })).toBe("full");
    expect(tight.write("a", only, bytes(100), { ...LEASE, nowMs: 0 })).toBeUndefined();
    expect(tight.take("b", { owner: "o", leaseMs: 1 }, AT)).toBe("full");
  });

  test("a party gets no more than is still free, others find some, and a state moves with its writer", () => {
    const table = new StateTable({ ...LIMITS, stateBytesMax: 4_000 });
    const write = (key: string, length: number, party: string) =>
      table.write(key, take(table, key), bytes(length), { ...LEASE, nowMs: 0, party });
    expect(write("a", 1_400, "u:a")).toBeUndefined();
    expect(write("b", 1_000, "u:a")).toBe("share");
    expect(write("b", 300, "u:b")).toBeUndefined();
    expect(write("a", 1_300, "u:b")).toBeUndefined();
    expect(write("b", 800, "u:b")).toBe("share");
    expect(write("b", 800, "u:a")).toBeUndefined();
  });
});

describe("ends", () => {
  test("many renewals and short lives leave a bounded queue behind", () => {
    const table = new StateTable(LIMITS);
    const hold = take(table, "long");
    for (let nowMs = 0; nowMs < 2_000; nowMs++) {
      table.write("long", hold, bytes(1), { leaseMs: 5_000 - nowMs, keepMs: 100_000, nowMs });
      const short = take(table, `s${nowMs}`, nowMs);
      table.release(`s${nowMs}`, short, nowMs);
      expect(table.queuedCount).toBeLessThanOrEqual(2 * table.count + 70);
    }
    table.expire(1_000_000);
    expect([table.count, table.bytes, table.nextDeadlineMs()]).toEqual([0, 0, undefined]);
  });

  test("a fence is never used twice: not after an end, not when the clock is set back", () => {
    const table = new StateTable(LIMITS);
    let last = 0;
    for (const wallMs of [5_000, 5_000, 1, 0, 5_001]) {
      const { fence } = held(table.take("a", { owner: "o", leaseMs: 1 }, { nowMs: 0, wallMs }));
      expect(fence).toBeGreaterThan(last);
      last = fence;
      table.expire(10);
      expect(table.count).toBe(0);
    }
  });

  test("a jump of the wall clock ends no lease", async () => {
    const clock = createManualClock();
    const broker = createMemoryBroker({ clock, random: createSeededRandom(1) });
    const { states } = broker.connect("n1");
    await states.take("a", { owner: "one", leaseMs: 1_000 });
    const free = { owner: "two", leaseMs: 1_000, ifFree: true };
    for (const jumpMs of [3_600_000, -7_200_000]) {
      clock.jumpWall(jumpMs);
      expect(await states.take("a", free)).toBeUndefined();
    }
    clock.advance(999);
    expect(await states.take("a", free)).toBeUndefined();
    clock.advance(1);
    expect(broker.figures().states).toBe(0);
    expect((await states.take("a", free))?.owner).toBe("two");
  });
});
