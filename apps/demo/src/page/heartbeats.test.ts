// Owns: checks of how heartbeats are counted.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BEATS_MAX, Heartbeats } from "./heartbeats.ts";

const all = { fromMs: 0, toMs: 200_000, intervalMs: 100 };

function observed(numbers: readonly number[], atMs = (index: number) => index * 100): Heartbeats {
  const heartbeats = new Heartbeats();
  for (const [index, n] of numbers.entries())
    heartbeats.observe("run", { n, atMs: atMs(index), node: "a" });
  return heartbeats;
}

describe("heartbeats", () => {
  test("a run without holes has nothing missing, nothing double and no pause", () => {
    expect(observed([1, 2, 3, 4]).tally({ ...all, toMs: 350 })).toMatchObject({
      received: 4,
      missing: 0,
      duplicated: 0,
      pauseMs: 0,
    });
  });

  test("a number that did not come is missing, one that came twice is duplicated", () => {
    expect(observed([1, 2, 4, 4, 5]).tally(all)).toMatchObject({
      received: 4,
      missing: 1,
      duplicated: 1,
    });
  });

  test("a number that comes late is not missing", () => {
    expect(observed([1, 3, 2, 4]).tally(all)).toMatchObject({
      received: 4,
      missing: 0,
      duplicated: 0,
    });
  });

  test("the pause is the longest interval less the normal one, with the arrivals around it", () => {
    const arrivals = [0, 100, 340, 440];
    expect(
      observed([1, 2, 3, 4], (index) => arrivals[index] ?? 0).tally({ ...all, toMs: 500 }),
    ).toMatchObject({
      pauseMs: 140,
      pauseFromMs: 100,
      pauseToMs: 340,
    });
  });

  test("a pause that began before the span counts as a whole, one that ended before does not", () => {
    const arrivals = [0, 900, 1000, 1250];
    const heartbeats = observed([1, 2, 3, 4], (index) => arrivals[index] ?? 0);
    expect(heartbeats.tally({ fromMs: 950, toMs: 1300, intervalMs: 100 })).toMatchObject({
      received: 2,
      pauseMs: 150,
      pauseFromMs: 1000,
    });
    expect(heartbeats.tally({ fromMs: 800, toMs: 1300, intervalMs: 100 })).toMatchObject({
      pauseMs: 800,
      pauseFromMs: 0,
      pauseToMs: 900,
    });
  });

  test("silence that has not ended counts up to the end of the span", () => {
    expect(observed([1, 2]).tally({ fromMs: 0, toMs: 5100, intervalMs: 100 })).toMatchObject({
      pauseMs: 4900,
      pauseFromMs: 100,
      pauseToMs: 5100,
    });
  });

  test("a new run of the device starts afresh", () => {
    const heartbeats = observed([7, 8]);
    heartbeats.observe("another", { n: 1, atMs: 900, node: "a" });
    expect(heartbeats.tally(all)).toMatchObject({ received: 1, missing: 0, duplicated: 0 });
  });

  test("nothing received is nothing missing", () => {
    expect(new Heartbeats().tally(all)).toMatchObject({
      received: 0,
      missing: 0,
      duplicated: 0,
      pauseMs: 0,
    });
  });

  test("memory is bounded however many come", () => {
    const heartbeats = observed(Array.from({ length: BEATS_MAX * 3 }, (_, index) => index + 1));
    expect(heartbeats.beats.length).toBe(BEATS_MAX);
    expect(heartbeats.tally(all)).toMatchObject({ received: BEATS_MAX, missing: 0 });
  });

  test("missing and duplicated are exact for any drops and repeats", () => {
    const fate = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 100 });
    fc.assert(
      fc.property(fate, (copies) => {
        const inner = [1, ...copies.slice(1, -1), 1];
        const numbers = inner.flatMap((count, index) => Array<number>(count).fill(index + 1));
        const tally = observed(numbers).tally(all);
        expect(tally.missing).toBe(inner.filter((count) => count === 0).length);
        expect(tally.duplicated).toBe(
          inner.reduce((sum, count) => sum + Math.max(0, count - 1), 0),
        );
      }),
    );
  });
});
