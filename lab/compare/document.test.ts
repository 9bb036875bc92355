import { expect, test } from "bun:test";
import { chartOf } from "./charts.ts";
import { compareDocument, headlineOf, withHeadline } from "./document.ts";
import { generatedFiles } from "./generated.ts";
import { planFrom } from "./plan.ts";
import type { CompareResult, Measurement } from "./result.ts";
import { targetsOf } from "./targets.ts";

const sizes = planFrom([])?.sizes;
if (sizes === undefined) throw new Error("no sizes");

const flow = (user: number, system: number, p50Ms = 5) => ({
  deliveries: 450_000,
  userUsPerDelivery: user,
  systemUsPerDelivery: system,
  p50Ms,
  p99Ms: 30,
  wrong: 0,
  loadUsPerDelivery: 6,
});
const rounds = (
  scenario: Measurement["scenario"],
  rival: Measurement["rival"],
  figures: readonly Measurement["figures"][],
) =>
  figures.map((one, place): Measurement => ({ scenario, rival, round: place + 1, figures: one }));

const result: CompareResult = {
  measuredAt: "2026-01-02T03:04:05Z",
  quick: false,
  rounds: 3,
  loadBefore: 0.1,
  machine: { processor: "a processor", cores: 2, memoryGiB: 4, kernel: "Linux 6" },
  sizes,
  versions: {
    bun: "Bun 1",
    holdfast: "this version",
    socketio: "Socket.IO 4",
    node: "Node 20",
    "bun-runtime": "Bun 1",
  },
  measurements: [
    ...rounds("fanout", "bun", [flow(0.4, 4), flow(0.5, 4), flow(0.6, 5)]),
    ...rounds("fanout", "socketio", [flow(6, 6), flow(5, 6), flow(7, 6)]),
    ...rounds("fanout", "holdfast", [flow(0.7, 4), flow(0.55, 4.5), flow(0.5, 5)]),
    ...rounds("memory", "holdfast", [{ idleBytes: 2600, subscribedBytes: 5500 }]),
    ...rounds("recovery", "holdfast", [
      { seconds: 1, userSeconds: 0.5, systemSeconds: 0.3, recovered: 500_000, wrong: 0 },
    ]),
    ...rounds("recovery", "socketio", [
      { seconds: 4, userSeconds: 4, systemSeconds: 1, recovered: 500_000, wrong: 0 },
    ]),
    ...rounds("nodes-1", "holdfast-redis", [flow(1, 4)]),
    ...rounds("nodes-3", "holdfast-redis", [flow(2, 4.5)]),
  ],
};

test("targets are met or missed by the medians", () => {
  expect(targetsOf(result).map(({ found, met }) => [found, met])).toEqual([
    ["1.10", true],
    ["0.09", true],
    ["5.50 kB", false],
    ["6.3", true],
    ["0.77", false],
  ]);
});

test("a target that is missed says what is known of it, one that is met does not", () => {
  const pageOf = (some: typeof result): string =>
    generatedFiles(some).find(({ path }) => path === "docs/benchmarks.md")?.text ?? "";
  expect(pageOf(result)).not.toContain("over bare Bun's: the pace");
  const slow = result.measurements.map((one) =>
    one.scenario === "fanout" && one.rival === "holdfast"
      ? { ...one, figures: { ...one.figures, userUsPerDelivery: 5 } }
      : one,
  );
  expect(pageOf({ ...result, measurements: slow })).toContain("over bare Bun's: the pace");
});

test("what was not measured has no target, no chart and no column", () => {
  const some = {
    ...result,
    measurements: result.measurements.filter(({ scenario }) => scenario === "fanout"),
  };
  expect(targetsOf(some)).toHaveLength(2);
  expect(chartOf(some, "memory", "light")).toBeUndefined();
  expect(generatedFiles(some).map(({ path }) => path)).toEqual([
    "docs/benchmarks.md",
    "docs/benchmarks/fanout-light.svg",
    "docs/benchmarks/fanout-dark.svg",
  ]);
});

test("the page gives medians with their spread, and says what is missed", () => {
  const page = compareDocument(result);
  expect(page).toContain(
    "| user CPU for each delivery, µs | 0.50 (0.40–0.60) | 6.00 (5.00–7.00) | 0.55 (0.50–0.70) |",
  );
  expect(page).toContain("| 5.50 kB | **missed** |");
  expect(page).toContain("Holdfast: of what one node does | 1.00 |  | 0.77 |");
  expect(page).toContain(
    '<source media="(prefers-color-scheme: dark)" srcset="benchmarks/fanout-dark.svg">',
  );
  expect(page).not.toMatch(/undefined|NaN/);
});

test("a chart says in words what it draws, in numbers that fit its drawing", () => {
  const svg = chartOf(result, "fanout", "dark") ?? "";
  expect(svg).toContain(
    'aria-label="CPU for each delivery, rooms of 1,000, µs: bare Bun 4.50, Socket.IO 12.00, Holdfast 5.05"',
  );
  const widths = [...svg.matchAll(/<rect x="[\d.]+" y="\d+" width="([\d.]+)" height="20"/g)].map(
    ([, width]) => Number(width),
  );
  // Two parts a bar: user over system time of Socket.IO is 6 to 6.
  expect(widths).toHaveLength(6);
  expect(widths[2]).toBe(widths[3] ?? 0);
});

test("the README's table lies between its marks, and nothing else changes", () => {
  const text = "before\n<!-- headline: npm run generate -->\n<!-- end of headline -->\nafter\n";
  const made = withHeadline(text, result);
  expect(made).toBe(
    `before\n<!-- headline: npm run generate -->\n\n${headlineOf(result)}\n\n<!-- end of headline -->\nafter\n`,
  );
  expect(withHeadline(made, result)).toBe(made);
  expect(headlineOf(result)).toContain(
    "| resident memory of a connection with one subscription, kB | — | — | 5.5 |",
  );
});
