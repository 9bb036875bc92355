import { expect, test } from "bun:test";
import { Outages } from "./outages.ts";

test("balancers may be behind for 75 s after the API server was away for 5 s", () => {
  const outages = new Outages();
  expect(outages.lagMs(0)).toBe(0);
  outages.failed(1000);
  outages.failed(5999);
  expect(outages.lagMs(5999)).toBe(0);
  expect(outages.lagMs(6000)).toBe(75_000);
  outages.answered(30_000);
  expect([outages.lagMs(30_000), outages.lagMs(104_999), outages.lagMs(105_000)]).toEqual([
    75_000, 1, 0,
  ]);
});

test("a try that failed now and then is no outage", () => {
  const outages = new Outages();
  for (let nowMs = 0; nowMs < 60_000; nowMs += 4000) {
    outages.failed(nowMs);
    outages.answered(nowMs + 3999);
    expect(outages.lagMs(nowMs + 3999)).toBe(0);
  }
});
