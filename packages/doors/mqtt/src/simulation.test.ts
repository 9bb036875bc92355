// Owns: seeds of the simulation: whatever happens, QoS 1 arrives at least once, QoS 2 exactly
// once. Each topic is in order, each will comes once, and nothing stays in flight.
import { drainMicrotasks } from "bun:jsc";
import { expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../../../../test/patience.ts";
import { Simulation } from "./testing/sim.ts";

setDefaultTimeout(patience(120_000));

const SEEDS = 30;
/**
 * - 40: a node died right after SUBACK, and the session did not know its place in the channel.
 * - 46 and 85: what an earlier connection had sent took the window, while its channel waited behind
 *   others that waited for the window.
 */
const FOUND = [40, 46, 85];
const FAULTS = ["away", "clock", "cut", "kill", "take over"];

const run = (seed: number) => new Simulation({ seed, settle: drainMicrotasks }).run();

test(`${SEEDS} seeds, and those that found something`, async () => {
  const seen = new Set<string>();
  for (const seed of [...Array.from({ length: SEEDS }, (_, n) => n + 1), ...FOUND]) {
    const { violations, faults, published, taken, wills } = await run(seed);
    expect({ seed, violations }).toEqual({ seed, violations: [] });
    expect(Math.min(published, taken)).toBeGreaterThan(200);
    expect(wills).toBeGreaterThan(10);
    for (const fault of Object.keys(faults)) seen.add(fault);
  }
  expect([...seen].toSorted()).toEqual(FAULTS);
});

test("one seed replays a run", async () => {
  expect(await run(3)).toEqual(await run(3));
});
