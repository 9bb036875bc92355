// Owns: a line chart as inline SVG with a caption and a legend. Pure.
import { escapeHtml } from "./html.ts";

const WIDTH = 720;
const HEIGHT = 150;
const LEFT = 52;
const TOP = 10;
const BOTTOM = 22;
const RIGHT = 24;
const TICKS = 4;
/** A mark that is nearer to the one before it shows no text. */
const LABEL_ROOM = 52;

export interface Line {
  readonly name: string;
  /** 0 to 7. */
  readonly colour: number;
  /** In order of x; what is further apart than `joinMax` is not joined. */
  readonly joinMax?: number;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LineChart {
  readonly title: string;
  readonly unit: string;
  /** From 0 to `end`. */
  readonly x: {
    readonly end: number;
    readonly ticks: readonly (readonly [x: number, text: string])[];
  };
  readonly lines: readonly Line[];
  /**
   * Vertical lines. With `isShown` the text is always visible; otherwise it appears when the
   * pointer is on the line.
   */
  readonly marks: readonly {
    readonly x: number;
    readonly text: string;
    readonly isShown?: boolean;
  }[];
  /** A line that should not be crossed. */
  readonly limit?: { readonly y: number; readonly text: string };
  readonly hasLegend: boolean;
}

const STEPS_MS = [
  200,
  500,
  1_000,
  2_000,
  5_000,
  10_000,
  15_000,
  30_000,
  60_000,
  120_000,
  300_000,
  600_000,
  1_800_000,
  3_600_000,
  4 * 3_600_000,
];
const SECOND_TICKS_MAX = 7;

/** Ticks at round numbers of seconds over a time in ms. */
export function secondTicks(endMs: number): readonly (readonly [x: number, text: string])[] {
  const stepMs =
    STEPS_MS.find((step) => endMs / step < SECOND_TICKS_MAX) ?? endMs / SECOND_TICKS_MAX;
  return Array.from({ length: Math.floor(endMs / stepMs) + 1 }, (_, tick) => [
    tick * stepMs,
    `${Math.round(tick * stepMs) / 1000} s`,
  ]);
}

export function lineChart({
  title,
  unit,
  x: axis,
  lines,
  marks,
  limit,
  hasLegend,
}: LineChart): string {
  const top = niceTop(
    Math.max(limit?.y ?? 0, ...lines.flatMap(({ points }) => points.map(([, value]) => value))),
  );
  const x = (value: number) =>
    LEFT + (Math.max(0, Math.min(axis.end, value)) / axis.end) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const at = (value: number) => value.toFixed(1);
  const grid = Array.from({ length: TICKS + 1 }, (_, tick) => (top * tick) / TICKS).map(
    (value) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(value))}" y2="${at(y(value))}"/><text x="${LEFT - 6}" y="${at(y(value) + 4)}" text-anchor="end">${number(value)}</text>`,
  );
  const ticks = axis.ticks.map(
    ([value, text]) =>
      `<text x="${at(x(value))}" y="${HEIGHT - 6}" text-anchor="middle">${escapeHtml(text)}</text>`,
  );
  let labelled = Number.NEGATIVE_INFINITY;
  const marked = marks.map(({ x: value, text, isShown }) => {
    const place = x(value);
    const isFree = isShown === true && place - labelled > LABEL_ROOM;
    if (isFree) labelled = place;
    const label = isFree
      ? `<text x="${at(place + 3)}" y="${TOP + 8}">${escapeHtml(text)}</text>`
      : "";
    return `<line class="mark" x1="${at(place)}" x2="${at(place)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"><title>${escapeHtml(text)}</title></line>${label}`;
  });
  const limited =
    limit === undefined
      ? ""
      : `<line class="limit" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(limit.y))}" y2="${at(y(limit.y))}"/><text x="${WIDTH - RIGHT}" y="${at(y(limit.y) - 3)}" text-anchor="end">${escapeHtml(limit.text)}</text>`;
  const drawn = lines.map(({ name, colour, points, joinMax = Number.POSITIVE_INFINITY }) => {
    const isFirst = (place: number) =>
      place === 0 || (points[place]?.[0] ?? 0) - (points[place - 1]?.[0] ?? 0) > joinMax;
    const path = points.map(
      ([value, height], place) => `${isFirst(place) ? "M" : "L"}${at(x(value))} ${at(y(height))}`,
    );
    const alone = points.filter(
      (_, place) => isFirst(place) && (place === points.length - 1 || isFirst(place + 1)),
    );
    const dots = alone.map(
      ([value, height]) =>
        `<circle class="c${colour}" cx="${at(x(value))}" cy="${at(y(height))}" r="2.5"/>`,
    );
    return `<path class="c${colour}" d="${path.join("")}"><title>${escapeHtml(name)}</title></path>${dots.join("")}`;
  });
  const names = hasLegend
    ? `<p class="legend">${lines.map(({ name, colour }) => `<span class="c${colour}">${escapeHtml(name)}</span>`).join(" ")}</p>`
    : "";
  const head = `${title}${unit === "" ? "" : `, ${unit}`}`;
  return `<figure><figcaption>${escapeHtml(head)}</figcaption><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(head)}">${grid.join("")}${ticks.join("")}${marked.join("")}${limited}${drawn.join("")}</svg>${names}</figure>`;
}

/** The next of 1, 2, 4, 5, 10, 20, …; of small values the next of 0.1, 0.2, … */
function niceTop(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

const number = (value: number): string =>
  value.toLocaleString("en", { maximumFractionDigits: value < 1 ? 3 : 1 });
