// Owns: the charts of one step as inline SVG: delays, handshakes, connections by node, over the time of the step.
import { escapeHtml } from "./report-table.ts";
import type { StepChart } from "./result.ts";

const WIDTH = 720;
const HEIGHT = 150;
const LEFT = 52;
const TOP = 10;
const BOTTOM = 22;
const RIGHT = 24;
const TICKS = 4;
const COLOURS = 8;

interface Line {
  readonly name: string;
  readonly colour: number;
  /** Time in ms and value, in order of time. */
  readonly points: readonly (readonly [atMs: number, value: number])[];
}

interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly endMs: number;
  readonly lines: readonly Line[];
  readonly marks: StepChart["marks"];
  /** A line that should not be crossed. */
  readonly limit?: { readonly value: number; readonly text: string };
  readonly legend: boolean;
}

export function stepCharts(chart: StepChart, handshakesPerSecond: number): string {
  const { bucketMs, moments, handshakes, connections, marks } = chart;
  const endMs = Math.max(1000, ...moments.map(({ place }) => (place + 1) * bucketMs), ...connections.map(({ atMs }) => atMs));
  const places = Array.from({ length: Math.ceil(endMs / bucketMs) }, (_, place) => place);
  const counts = new Map(handshakes.map(({ place, count }) => [place, count]));
  const shared = { endMs, marks };
  const nodes = [...new Set(connections.flatMap((sample) => Object.keys(sample.connections)))];
  return [
    svg({
      ...shared,
      title: "Longest delay of what arrived",
      unit: "ms",
      legend: false,
      lines: [{ name: "delay", colour: 0, points: moments.map(({ place, delayMaxMs }) => [place * bucketMs, delayMaxMs]) }],
    }),
    svg({
      ...shared,
      title: "Handshakes of all nodes",
      unit: "a second",
      legend: false,
      limit: { value: handshakesPerSecond, text: "A of one node" },
      lines: [
        { name: "handshakes", colour: 1, points: places.map((place) => [place * bucketMs, ((counts.get(place) ?? 0) * 1000) / bucketMs]) },
      ],
    }),
    svg({
      ...shared,
      title: "Connections of each node",
      unit: "",
      legend: true,
      lines: nodes.map((name, place) => ({
        name,
        colour: place % COLOURS,
        points: connections.flatMap(({ atMs, connections: of }): [number, number][] => (of[name] === undefined ? [] : [[atMs, of[name]]])),
      })),
    }),
  ].join("\n");
}

function svg({ title, unit, endMs, lines, marks, limit, legend }: Chart): string {
  const top = niceTop(Math.max(1, limit?.value ?? 0, ...lines.flatMap(({ points }) => points.map(([, value]) => value))));
  const x = (atMs: number) => LEFT + (Math.max(0, Math.min(endMs, atMs)) / endMs) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const at = (value: number) => value.toFixed(1);
  const grid = Array.from({ length: TICKS + 1 }, (_, tick) => (top * tick) / TICKS).map(
    (value) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(value))}" y2="${at(y(value))}"/><text x="${LEFT - 6}" y="${at(y(value) + 4)}" text-anchor="end">${number(value)}</text>`,
  );
  const seconds = Array.from({ length: 6 }, (_, tick) => (endMs * tick) / 5).map(
    (ms) => `<text x="${at(x(ms))}" y="${HEIGHT - 6}" text-anchor="middle">${(ms / 1000).toFixed(0)} s</text>`,
  );
  const marked = marks.map(
    ({ atMs, text }) =>
      `<line class="mark" x1="${at(x(atMs))}" x2="${at(x(atMs))}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"><title>${escapeHtml(text)}</title></line>`,
  );
  const limited =
    limit === undefined
      ? ""
      : `<line class="limit" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(limit.value))}" y2="${at(y(limit.value))}"/><text x="${WIDTH - RIGHT}" y="${at(y(limit.value) - 3)}" text-anchor="end">${limit.text}</text>`;
  const drawn = lines.map(({ name, colour, points }) => {
    const path = points.map(([atMs, value], place) => `${place === 0 ? "M" : "L"}${at(x(atMs))} ${at(y(value))}`).join("");
    return `<path class="c${colour}" d="${path}"><title>${escapeHtml(name)}</title></path>`;
  });
  const names = legend
    ? `<p class="legend">${lines.map(({ name, colour }) => `<span class="c${colour}">${escapeHtml(name)}</span>`).join(" ")}</p>`
    : "";
  const head = `${title}${unit === "" ? "" : `, ${unit}`}`;
  return `<figure><figcaption>${escapeHtml(head)}</figcaption><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(head)}">${grid.join("")}${seconds.join("")}${marked.join("")}${limited}${drawn.join("")}</svg>${names}</figure>`;
}

/** The next of 1, 2, 4, 5, 10, 20, … */
function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

const number = (value: number): string => value.toLocaleString("en", { maximumFractionDigits: 1 });
