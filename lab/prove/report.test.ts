// Checks that what people read says what the result says: verdicts, figures, nothing unescaped,
// nothing from elsewhere.
import { describe, expect, test } from "bun:test";
import { reportPage } from "./report-page.ts";
import { markdownTable } from "./report-table.ts";
import { COLUMNS, closingText, sideBySideText, stepText } from "./report-text.ts";
import { failuresOf, hasFailed, type ProofResult, type StepResult } from "./result.ts";

const quantiles = { count: 10, p50Ms: 12, p99Ms: 1034, maxMs: 2001 };
const step = (changes: Partial<StepResult> = {}): StepResult => ({
  name: "rolling-restart",
  title: "Rolling restart <of every node>",
  isDrain: true,
  mayLoseData: false,
  timeLimitMs: 60_000,
  doneMs: 14_500,
  published: { acknowledged: 2550, unknown: 3, refused: 0 },
  delivered: 51_218,
  violations: { lost: 0, duplicated: 0, outOfOrder: 0, undeclared: 0, unexpected: 0 },
  gaps: 7,
  declared: 9,
  visibleDisconnects: 0,
  flickers: 0,
  longest: quantiles,
  longestTransit: quantiles,
  longestOfExtras: quantiles,
  extraDisconnects: 0,
  delays: quantiles,
  transits: quantiles,
  attempts: 1050,
  reconnects: 0,
  moves: 1000,
  movesMax: 2,
  peakOfNode: 120,
  peakOfAll: 130,
  notes: ["a <note>"],
  failures: [],
  chart: {
    bucketMs: 250,
    moments: [
      { place: 0, delivered: 10, delayMaxMs: 5 },
      { place: 3, delivered: 10, delayMaxMs: 70 },
    ],
    handshakes: [{ place: 2, count: 30 }],
    connections: [{ atMs: 500, connections: { n1: 30, n2: 12 } }],
    marks: [{ atMs: 700, text: "drain <n1>" }],
  },
  ...changes,
});

const result = (...steps: readonly StepResult[]): ProofResult => ({
  rival: "holdfast",
  measuredAt: "2026-01-02T03:04:05.000Z",
  clients: 1000,
  channels: 200,
  subscriptions: 4000,
  publishesPerSecond: 150,
  seed: 1,
  nodes: 3,
  handshakesPerSecond: 150,
  broker: "Redis 7.0.15",
  quick: false,
  machine: { processor: "some processor", cores: 2, memoryGiB: 8, kernel: "Linux 6" },
  versions: { bun: "1.4.5" },
  loadBefore: 0.5,
  steps,
  tookMs: 20_000,
});

describe("a step fails", () => {
  const { violations } = step();
  test("for each kind of wrong", () => {
    expect(failuresOf(step())).toEqual([]);
    expect(failuresOf(step({ violations: { ...violations, lost: 2 } }))).toEqual(["2 lost"]);
    expect(failuresOf(step({ violations: { ...violations, duplicated: 1 } }))).toEqual([
      "1 duplicated",
    ]);
    expect(failuresOf(step({ violations: { ...violations, outOfOrder: 1 } }))).toEqual([
      "1 out of order",
    ]);
    expect(failuresOf(step({ violations: { ...violations, undeclared: 1 } }))).toEqual([
      "1 missing without a declared gap",
    ]);
    expect(failuresOf(step({ violations: { ...violations, unexpected: 1 } }))).toEqual([
      "1 unexpected",
    ]);
  });
  test("for a disconnect that was seen in a drain, not in a failure", () => {
    expect(failuresOf(step({ visibleDisconnects: 1 }))).toHaveLength(1);
    expect(failuresOf(step({ visibleDisconnects: 1, isDrain: false }))).toEqual([]);
  });
  test("when it took too long, and when nothing was published", () => {
    expect(failuresOf(step({ doneMs: 60_001 }))).toEqual(["not done within 60000 ms"]);
    expect(
      failuresOf(step({ published: { acknowledged: 0, unknown: 0, refused: 0 } })),
    ).toHaveLength(1);
  });
  test("and then the proof fails, everywhere where one looks", () => {
    const failed = result(step(), step({ name: "kill", failures: ["2 lost"] }));
    expect([hasFailed(result(step())), hasFailed(failed)]).toEqual([false, true]);
    expect(closingText(failed)).toContain("1 of 2 steps failed");
    expect(stepText(step({ failures: ["2 lost"] }), 150)).toMatch(
      /^FAILED .*\n[\s\S]*FAILED: 2 lost/,
    );
    expect(reportPage(failed)).toContain("The proof fails.");
    expect(markdownTable(failed)).toContain("**no**");
  });
});

test("the table has a cell for every column of every step", () => {
  const lines = markdownTable(result(step(), step())).split("\n");
  expect(lines).toHaveLength(4);
  for (const line of lines) expect(line.split(" | ")).toHaveLength(COLUMNS.length + 2);
  expect(lines[2]).toContain("| 51,218 |");
  expect(lines[2]).toContain("| 12 / 1,034 / 2,001 |");
  expect(lines[2]).toContain("| 1.05 |");
});

test("the page needs nothing from elsewhere and escapes what it shows", () => {
  const page = reportPage(result(step()));
  expect(page).not.toMatch(/<script|<link|src=|url\(|https?:/);
  expect(page).not.toContain("<note>");
  expect(page).not.toContain("<n1>");
  expect(page).toContain("prefers-color-scheme: dark");
  expect(page).toContain("@media print");
  expect(page.match(/<svg/g)).toHaveLength(3);
  expect(page).not.toContain("NaN");
});

test("two servers stand beside each other", () => {
  const text = sideBySideText(result(step()), {
    rival: "socketio",
    steps: [step({ violations: { ...step().violations, lost: 41 } })],
  });
  expect(text).toContain("rolling-restart holdfast  rolling-restart socketio");
  expect(text).toMatch(/^lost +0 +41$/m);
});
