// Owns: checks of summaries and of the page made from a result.
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Round } from "./measure.ts";
import { planFrom } from "./plan.ts";
import { reportOf } from "./report.ts";
import { type Result, resultOf } from "./result.ts";
import { series } from "./series.ts";

test("a median has as many values below as above, and lies in the spread", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1 }),
      (values) => {
        const { median, least, most } = series(values);
        expect(values.filter((value) => value < median).length).toBeLessThanOrEqual(
          values.length / 2,
        );
        expect(values.filter((value) => value > median).length).toBeLessThanOrEqual(
          values.length / 2,
        );
        expect([Math.min(...values), Math.max(...values)]).toEqual([least, most]);
      },
    ),
  );
  expect(() => series([])).toThrow(RangeError);
});

test("rounds are a whole number within bounds", () => {
  expect(planFrom(["--rounds", "2", "--json"])).toMatchObject({
    rounds: 2,
    json: true,
    quick: false,
  });
  expect(planFrom(["--quick"])).toMatchObject({ rounds: 1, quick: true });
  for (const bad of ["0", "1.5", "x", "1000"])
    expect(() => planFrom(["--rounds", bad])).toThrow("expected 1 to 100");
});

test("the page holds the medians, the ratios and whether anything was lost", () => {
  const plan = planFrom([]);
  if (plan === undefined) throw new Error("no plan");
  const round = (userUs: number, wrong = 0): Round => {
    const fanOut = { deliveries: 1000, userUs, systemUs: 4, deliveriesPerSecond: 100_000, wrong };
    return {
      idleBytes: userUs * 1024,
      subscribedBytes: userUs * 2048,
      fanOuts: { single: fanOut, room: fanOut, everyone: fanOut, flatOut: fanOut },
    };
  };
  const rounds = {
    bun: [round(1), round(3), round(2)],
    socketio: [round(8)],
    holdfast: [round(2.5)],
  };
  const versions = { bun: "Bun 1", socketio: "Socket.IO 4", holdfast: "Holdfast" };
  const page = reportOf(resultOf(plan, rounds, versions));
  expect(page).toContain(
    "| 1,000 subscribers, user | 2.00 (1.00–3.00) | 8.00 (8.00–8.00) | 2.50 (2.50–2.50) |",
  );
  expect(page).toContain("| 1,000 subscribers | 1.25 | 0.31 |");
  expect(page).toContain("Holdfast over bare Bun: 0.50 kB idle, 1.00 kB with one subscription");
  expect(page).toContain("none was lost, doubled or misdirected");
  expect(reportOf(resultOf(plan, { ...rounds, socketio: [round(8, 2)] }, versions))).toContain(
    "8 were lost, doubled or misdirected",
  );
});

test("the page in docs is made from the result in docs", async () => {
  const docs = `${import.meta.dir}/../../docs/benchmarks`;
  const result: Result = await Bun.file(`${docs}/micro.json`).json();
  expect(await Bun.file(`${docs}/micro.md`).text()).toBe(reportOf(result));
  for (const rival of Object.values(result.rivals))
    for (const fanOut of Object.values(rival.fanOuts)) expect(fanOut.wrong).toBe(0);
});
