// Checks the world that every process of a proof builds for itself.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { deliveriesOfPublication, workloadOf } from "./workload.ts";

test("the same seed gives the same world, another one another", () => {
  const size = { clients: 100, channels: 50, seed: 7 };
  expect(workloadOf(size)).toEqual(workloadOf(size));
  expect(workloadOf({ ...size, seed: 8 })).not.toEqual(workloadOf(size));
});

test("every class has channels, every room members and watchers, and nobody subscribes twice or to what is kept for one step", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 200, max: 500 }),
      fc.integer({ min: 10, max: 200 }),
      fc.nat(),
      (clients, channels, seed) => {
        const world = workloadOf({ clients, channels, seed });
        const ordinary = world.channels.slice(0, world.ordinary);
        expect(new Set(ordinary.map(({ cls }) => cls))).toEqual(
          new Set(["ordered", "durable", "volatile", "latest"]),
        );
        for (const room of world.rooms) {
          expect(world.clients.some(({ enters }) => enters === room)).toBe(true);
          expect(world.clients.some(({ watches }) => watches === room)).toBe(true);
        }
        for (const { channels: chosen } of world.clients) {
          expect(new Set(chosen).size).toBe(chosen.length);
          for (const index of chosen) expect(index).toBeLessThan(world.ordinary);
        }
        expect(deliveriesOfPublication(world)).toBeCloseTo((clients * 4) / channels);
      },
    ),
    { numRuns: 30 },
  );
});
