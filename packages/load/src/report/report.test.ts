// Owns: checks that what people read says what the result says, and nothing that it must not.
import { describe, expect, test } from "bun:test";
import { Times } from "../histogram.ts";
import { liveLines, overwriting, progressLine, sparkline } from "../live-view.ts";
import { noCounts } from "../recorder.ts";
import { type LoadResult, type Point, shownPlan } from "../result.ts";
import type { Progress } from "../run.ts";
import { DEFAULT_TARGET, fanout } from "../scenarios.ts";
import { reportPage } from "./page.ts";
import { resultText } from "./text.ts";

const SECRET = "a-secret-token";

function times(us: number) {
  const recorded = new Times();
  for (let place = 0; place < 1_000; place++) recorded.record(us + place);
  return recorded.summary();
}

const plan = fanout(
  {
    target: {
      ...DEFAULT_TARGET,
      driver: "holdfast",
      urls: ["ws://user:passed@host:8000/connect?key=in-the-query"],
      token: SECRET,
    },
    connections: 10,
    connectsPerSecond: 10,
    workers: 1,
    seed: 1,
    payload: { bytes: 100 },
    observe: { metricsUrls: ["http://node:9000/metrics?key=in-the-query"], pids: [] },
    ms: 1_000,
    warmUpMs: 0,
    think: "random",
    channel: "<b>{n}</b>",
  },
  { publishers: 1, publishesPerSecond: 10 },
);
const point: Point = {
  atMs: 1_000,
  phase: 1,
  connected: 11,
  perSecond: { handshakes: 0, sent: 10, delivered: 100, pongs: 0, errors: 0 },
  times: { delivery: { p50Us: 1_000, p99Us: 2_000, maxUs: 3_000 } },
  servers: [{ userCores: 0.1, systemCores: 0.2, rssBytes: 50 << 20, lagUs: 500 }],
  generator: { cores: 0.1, lagUs: 100 },
};
const generator = { userUs: 1_000, systemUs: 2_000, lagUs: 100, busiest: 0.1 };
const counts = { ...noCounts(), sent: 10, delivered: 100, duplicated: 3 };
const total = {
  ms: 1_000,
  counts,
  errors: { "close_<4000>": 2 },
  times: { delivery: times(1_500) },
};
const result: LoadResult = {
  scenario: "fanout <x>",
  startedAt: "2026-01-02T03:04:05.000Z",
  machine: { processor: "P", cores: 2, memoryGiB: 4, kernel: "Linux", runtime: "Bun" },
  plan: shownPlan(plan),
  wasStopped: true,
  phases: [
    {
      ...total,
      name: "steady",
      do: "hold",
      isMeasured: true,
      startMs: 0,
      connected: 11,
      absent: 0,
      servers: [{ name: "node:9000", userUs: 100, systemUs: 200, rssBytes: 1 }],
      generator,
    },
  ],
  total,
  lost: 7,
  unanswered: 1,
  servers: [
    {
      name: "node:9000",
      userUs: 100,
      systemUs: 200,
      cpuUsPerDelivery: 3,
      userUsPerDelivery: 1,
      rssBytesBefore: 1,
      rssBytesMost: 2,
    },
  ],
  generator: { ...generator, cpuUsPerDelivery: 30 },
  warnings: ["something is <doubtful>"],
  timeline: [point, { ...point, atMs: 2_000 }],
};
const verdicts = [{ text: "lost=0", found: "7", isMet: false }];

describe("text and page say what was found", () => {
  const text = resultText(result, verdicts);
  const page = reportPage(result, verdicts);
  test("losses, errors, verdicts, warnings, costs", () => {
    expect(text).toContain("account: lost 7, duplicated 3, out of order 0, unanswered 1");
    expect(text).toContain("errors: close_<4000> 2");
    expect(text).toContain("SLO MISSED lost=0, found 7");
    expect(text).toContain("3.00 µs a delivery");
    expect(text).toContain("figures so far");
    expect(page).toContain("1 of 1 objectives is missed");
    expect(page).toContain("figures so far");
    expect(page).toContain("close_&#60;4000&#62;");
  });
  test("no token, no user, no query, no markup of others, nothing from elsewhere", () => {
    const all = `${text}${page}${JSON.stringify(result)}`;
    for (const secret of [SECRET, "in-the-query", "user:"])
      expect([secret, all.includes(secret)]).toEqual([secret, false]);
    expect(page).not.toMatch(/<x>|<doubtful>|<4000>/);
    expect(page).not.toMatch(/(src|href)="?https?:|@import|<script/);
  });
});

describe("the live view", () => {
  const progress: Progress = {
    phase: plan.phases[1] ?? {
      do: "hold",
      name: "steady",
      ms: 1,
      load: 1,
      churnPerSecond: 0,
      isMeasured: true,
    },
    number: 2,
    of: 2,
    ms: 500,
    wanted: 11,
    point,
    servers: ["node:9000"],
    errors: [["try_later", 3]],
  };
  test("fits the screen, and has colours only where they are wanted", () => {
    const plain = liveLines(progress, [point], { colors: false, columns: 40 });
    expect(Math.max(...plain.map((line) => line.length))).toBeLessThan(40);
    expect(plain.join("")).not.toContain("\u001b");
    expect(liveLines(progress, [point], { colors: true, columns: 100 }).join("")).toContain(
      "\u001b[1m",
    );
  });
  test("is one line where there is no screen", () => {
    expect(progressLine(progress)).toBe(
      "2/2 steady 1 s: 11 of 11 connected; 10 published/s, 100 delivered/s; delivery p50 1.00 ms p99 2.00 ms; errors try_later 3",
    );
  });
  test("draws over itself, and sparks by height", () => {
    expect(overwriting(0)).toBe("");
    expect(overwriting(3)).toBe("\u001b[3A\u001b[J");
    expect(sparkline([0, 4, 8])).toBe("▁▅█");
  });
});
