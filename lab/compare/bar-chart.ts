// Owns: a chart of horizontal bars as one SVG file, light or dark, readable on a narrow screen and
// on paper.
import { escapeHtml } from "@holdfast/load/report";

export interface Bar {
  readonly label: string;
  /** Parts of the bar from left to right, one for each name in `parts`. */
  readonly values: readonly number[];
  /** Ends of the spread of the bar's whole length. */
  readonly spread?: readonly [least: number, most: number];
  /** Drawn in the chart's first colours; other bars are muted. */
  readonly ours: boolean;
}

export interface BarChart {
  readonly title: string;
  readonly unit: string;
  /** What the parts are, for a legend; one name: no legend. */
  readonly parts: readonly string[];
  readonly bars: readonly Bar[];
  readonly digits: number;
}

export type Theme = "light" | "dark";

interface Colours {
  readonly back: string;
  readonly text: string;
  readonly soft: string;
  readonly line: string;
  readonly ours: readonly string[];
  readonly others: readonly string[];
}

const COLOURS: Readonly<Record<Theme, Colours>> = {
  light: {
    back: "#ffffff",
    text: "#1c2330",
    soft: "#5b6472",
    line: "#d9dee6",
    ours: ["#1f5fbf", "#8fb4e8"],
    others: ["#6b7686", "#bcc4cf"],
  },
  dark: {
    back: "#0d1117",
    text: "#e7ebf2",
    soft: "#a3adbb",
    line: "#2c3440",
    ours: ["#6ea8ff", "#35588c"],
    others: ["#98a3b3", "#4a5463"],
  },
};

const WIDTH = 720;
const LEFT = 160;
const RIGHT = 90;
const TOP = 64;
const ROW = 34;
const BAR = 20;
const FOOT = 26;
const TICKS = 4;

/** `bars` share one scale that begins at 0. */
export function barChart(chart: BarChart, theme: Theme): string {
  const colours = COLOURS[theme];
  const height = TOP + chart.bars.length * ROW + FOOT;
  const top = niceTop(
    Math.max(
      ...chart.bars.map(({ values, spread }) => Math.max(sum(values), spread?.[1] ?? 0)),
      Number.MIN_VALUE,
    ),
  );
  const x = (value: number) => LEFT + (value / top) * (WIDTH - LEFT - RIGHT);
  const bottom = height - FOOT;
  const ticks = Array.from({ length: TICKS + 1 }, (_, tick) => (top * tick) / TICKS);
  const grid = ticks.map(
    (value) =>
      `<line x1="${at(x(value))}" x2="${at(x(value))}" y1="${TOP - 6}" y2="${bottom}" stroke="${colours.line}"/><text x="${at(x(value))}" y="${height - 8}" text-anchor="middle" fill="${colours.soft}">${short(value)}</text>`,
  );
  const bars = chart.bars.map((bar, place) =>
    drawnBar(bar, { chart, colours, x, y: TOP + place * ROW + (ROW - BAR) / 2 }),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeHtml(described(chart))}" font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="13">
<rect width="${WIDTH}" height="${height}" fill="${colours.back}"/>
<text x="12" y="24" font-size="15" font-weight="600" fill="${colours.text}">${escapeHtml(chart.title)}</text>
${legend(chart, colours)}
${grid.join("\n")}
${bars.join("\n")}
</svg>
`;
}

interface Drawing {
  readonly chart: BarChart;
  readonly colours: Colours;
  readonly x: (value: number) => number;
  readonly y: number;
}

function drawnBar({ label, values, spread, ours }: Bar, { chart, colours, x, y }: Drawing): string {
  const fills = ours ? colours.ours : colours.others;
  let from = 0;
  const parts = values.map((value, place) => {
    const rect = `<rect x="${at(x(from))}" y="${y}" width="${at(x(from + value) - x(from))}" height="${BAR}" fill="${fills[place % fills.length]}"/>`;
    from += value;
    return rect;
  });
  const middle = y + BAR / 2;
  const whisker =
    spread === undefined || spread[0] === spread[1]
      ? ""
      : `<path d="M${at(x(spread[0]))} ${middle}H${at(x(spread[1]))}M${at(x(spread[0]))} ${middle - 4}v8M${at(x(spread[1]))} ${middle - 4}v8" stroke="${colours.text}" stroke-width="1.2" fill="none"/>`;
  const end = Math.max(x(from), spread === undefined ? 0 : x(spread[1]));
  const weight = ours ? ` font-weight="600"` : "";
  return `<text x="${LEFT - 10}" y="${middle + 4.5}" text-anchor="end" fill="${colours.text}"${weight}>${escapeHtml(label)}</text>${parts.join("")}${whisker}<text x="${at(end + 7)}" y="${middle + 4.5}" fill="${colours.text}"${weight}>${number(from, chart.digits)}</text>`;
}

function legend({ parts, unit }: BarChart, colours: Colours): string {
  const text = (x: number, content: string) =>
    `<text x="${x}" y="45" fill="${colours.soft}">${escapeHtml(content)}</text>`;
  if (parts.length < 2) return text(12, unit);
  let x = 12 + unit.length * 7 + 16;
  const names = parts.map((name, place) => {
    const item = `<rect x="${x}" y="35" width="11" height="11" fill="${colours.ours[place]}"/><rect x="${x + 12}" y="35" width="11" height="11" fill="${colours.others[place]}"/>${text(x + 29, name)}`;
    x += 29 + name.length * 8 + 18;
    return item;
  });
  return text(12, unit) + names.join("");
}

/** For people who do not see it. */
function described({ title, unit, bars, digits }: BarChart): string {
  return `${title}, ${unit}: ${bars.map(({ label, values }) => `${label} ${number(sum(values), digits)}`).join(", ")}`;
}

/** The next of 1, 1.2, 1.6, 2, 3, 4, 6, 8, 10, 12, …: what four steps divide well. */
function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].find((step) => step * power >= value) ?? 10) * power;
}

const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);
const at = (value: number): string => value.toFixed(1);
const number = (value: number, digits: number): string =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const short = (value: number): string => value.toLocaleString("en", { maximumFractionDigits: 2 });
