// Owns: checks of charts.
import { describe, expect, test } from "bun:test";
import { type LineChart, lineChart, secondTicks } from "./line-chart.ts";

const chart = (changes: Partial<LineChart>): string =>
  lineChart({
    title: "Delay",
    unit: "ms",
    x: { end: 10, ticks: [] },
    lines: [],
    marks: [],
    hasLegend: true,
    ...changes,
  });

test("points are joined in order; a gap breaks the line, and a point alone is a dot", () => {
  const points = [
    [0, 1],
    [1, 2],
    [5, 3],
    [9, 1],
    [10, 2],
  ] as const;
  const svg = chart({ lines: [{ name: "p99", colour: 0, points, joinMax: 2 }] });
  expect(/<path[^>]* d="([^"]*)"/.exec(svg)?.[1]?.replaceAll(/[\d. ]+/g, "")).toBe("MLMML");
  expect(svg.match(/<circle/g)).toHaveLength(1);
});

test("nothing from outside is taken as markup", () => {
  const svg = chart({
    title: "<b>",
    lines: [{ name: "<script>", colour: 1, points: [] }],
    marks: [{ x: 1, text: "</svg>", isShown: true }],
  });
  expect(svg).not.toMatch(/<b>|<script>|<\/svg>(?!<p)/);
});

test("texts of marks that lie close keep out of each other's way", () => {
  const svg = chart({
    marks: [
      { x: 1, text: "first", isShown: true },
      { x: 1.1, text: "second", isShown: true },
    ],
  });
  expect(svg).toContain(">first</text>");
  expect(svg).not.toContain(">second</text>");
  expect(svg).toContain("<title>second</title>");
});

describe("ticks stand at round times, a few of them", () => {
  const cases: [number, string, string, number][] = [
    [1_000, "0 s", "1 s", 6],
    [17_000, "0 s", "15 s", 4],
    [60_000, "0 s", "60 s", 7],
    [300_000, "0 s", "300 s", 6],
  ];
  for (const [endMs, first, last, count] of cases) {
    test(`${endMs} ms`, () => {
      const ticks = secondTicks(endMs).map(([, text]) => text);
      expect([ticks[0], ticks.at(-1), ticks.length]).toEqual([first, last, count]);
    });
  }
});
