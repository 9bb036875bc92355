// Owns: checks of what is recorded in which phase, and of merging workers.
import { expect, test } from "bun:test";
import { Recorder } from "./recorder.ts";
import { figuresOf } from "./result.ts";

test("a time belongs to the phase for which it was intended, a count to the one in which it happened", () => {
  const recorder = new Recorder();
  recorder.turn(1_000);
  recorder.turn(2_000);
  recorder.time("delivery", 500, { atUs: 1_900, counts: "delivered" });
  recorder.time("delivery", 100, { atUs: 2_000, counts: "delivered" });
  recorder.time("delivery", 900, { atUs: 10, counts: "delivered" });
  recorder.count("sent");
  const [first, second] = recorder.records();
  expect([first?.counts.delivered, second?.counts.delivered]).toEqual([2, 1]);
  expect([first?.counts.sent, second?.counts.sent]).toEqual([0, 1]);
  expect([first?.times.delivery, second?.times.delivery]).toEqual([
    [500, 1, 900, 1],
    [100, 1],
  ]);
});

test("names of errors are bounded, whoever makes them up", () => {
  const recorder = new Recorder();
  recorder.turn(0);
  for (let n = 0; n < 5_000; n++) recorder.error(`close_${n}`);
  const errors = recorder.records()[0]?.errors ?? {};
  expect(Object.keys(errors).length).toBeLessThan(110);
  expect(Object.values(errors).reduce((sum, count) => sum + count, 0)).toBe(5_000);
});

test("workers together: counts and errors are added, histograms merged", () => {
  const workers = [1, 2].map((worker) => {
    const recorder = new Recorder();
    recorder.turn(0);
    for (let n = 0; n < 100; n++)
      recorder.time("ping", worker * 1_000, { atUs: 5, counts: "pongs" });
    recorder.error("try_later");
    return recorder.records()[0];
  });
  const figures = figuresOf(
    workers.flatMap((record) => record ?? []),
    10,
  );
  expect(figures.counts.pongs).toBe(200);
  expect(figures.errors).toEqual({ try_later: 2 });
  expect([figures.times.ping?.p50Us, figures.times.ping?.count]).toEqual([1_000, 200]);
  expect(figures.times.ping?.p90Us).toBeGreaterThanOrEqual(2_000);
});

test("what was taken for the course over time is not taken again, and stays in the record", () => {
  const recorder = new Recorder();
  recorder.turn(0);
  recorder.time("ping", 50, { atUs: 1 });
  expect(recorder.takeInterval()).toEqual({ ping: [50, 1] });
  expect(recorder.takeInterval()).toEqual({});
  expect(recorder.records()[0]?.times.ping).toEqual([50, 1]);
});
