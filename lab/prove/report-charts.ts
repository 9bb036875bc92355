// Owns: the charts of one step as inline SVG: delays, handshakes, connections by node, over the
// time of the step.
import { LINE_COLOURS, lineChart, secondTicks } from "@holdfast/load/report";
import type { StepChart } from "./result.ts";

export function stepCharts(chart: StepChart, handshakesPerSecond: number): string {
  const { bucketMs, moments, handshakes, connections, marks } = chart;
  const endMs = Math.max(
    1000,
    ...moments.map(({ place }) => (place + 1) * bucketMs),
    ...connections.map(({ atMs }) => atMs),
  );
  const places = Array.from({ length: Math.ceil(endMs / bucketMs) }, (_, place) => place);
  const counts = new Map(handshakes.map(({ place, count }) => [place, count]));
  const shared = {
    x: { end: endMs, ticks: secondTicks(endMs) },
    marks: marks.map(({ atMs, text }) => ({ x: atMs, text })),
  };
  const nodes = [...new Set(connections.flatMap((sample) => Object.keys(sample.connections)))];
  return [
    lineChart({
      ...shared,
      title: "Longest delay of what arrived",
      unit: "ms",
      hasLegend: false,
      lines: [
        {
          name: "delay",
          colour: 0,
          points: moments.map(({ place, delayMaxMs }) => [place * bucketMs, delayMaxMs]),
        },
      ],
    }),
    lineChart({
      ...shared,
      title: "Handshakes of all nodes",
      unit: "a second",
      hasLegend: false,
      limit: { y: handshakesPerSecond, text: "A of one node" },
      lines: [
        {
          name: "handshakes",
          colour: 1,
          points: places.map((place) => [
            place * bucketMs,
            ((counts.get(place) ?? 0) * 1000) / bucketMs,
          ]),
        },
      ],
    }),
    lineChart({
      ...shared,
      title: "Connections of each node",
      unit: "",
      hasLegend: true,
      lines: nodes.map((name, place) => ({
        name,
        colour: place % LINE_COLOURS,
        points: connections.flatMap(({ atMs, connections: of }): [number, number][] =>
          of[name] === undefined ? [] : [[atMs, of[name]]],
        ),
      })),
    }),
  ].join("\n");
}
