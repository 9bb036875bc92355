// Owns: a dashboard drawn as a page from a real Prometheus' answers to its queries, for machines
// without Grafana. Pure.
import type { DashboardSpec, PanelSpec, Unit } from "@holdfast/observability";
import type { Series } from "./prometheus.ts";

export interface Drawn {
  readonly spec: DashboardSpec;
  readonly startS: number;
  readonly endS: number;
  /** What was answered to a query of a panel. */
  readonly series: (panel: PanelSpec, query: number) => readonly Series[];
}

interface Line {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

const WIDTH = 420;
const HEIGHT = 150;
const LEFT = 58;
const BOTTOM = 18;
const LINES_MAX = 8;

export function drawDashboard({ spec, startS, endS, series }: Drawn): string {
  const rows = spec.rows.map(({ title, panels }) => {
    const drawn = panels.map((panel) => {
      const lines = panel.queries.flatMap((query, index) =>
        series(panel, index).map(
          ({ metric, values }): Line => ({
            name: legendOf(query.legend, metric),
            points: values.map(([atS, text]) => [atS, Number(text)]),
          }),
        ),
      );
      const body =
        panel.form === "figure" ? figureOf(panel, lines) : chartOf(panel, lines, { startS, endS });
      return `<section style="grid-column: span ${panel.width ?? (panel.form === "figure" ? 4 : 8)}"><h3>${escapeHtml(panel.title)}</h3>${body}</section>`;
    });
    return `<h2>${escapeHtml(title)}</h2><div class="row">${drawn.join("")}</div>`;
  });
  return `<!doctype html><meta charset="utf-8"><title>${escapeHtml(spec.title)}</title><style>${STYLE}</style><h1>${escapeHtml(spec.title)}</h1>${rows.join("")}`;
}

function figureOf({ unit, thresholds }: PanelSpec, lines: readonly Line[]): string {
  const value = lines[0]?.points.at(-1)?.[1];
  const isBad =
    value !== undefined &&
    thresholds !== undefined &&
    (thresholds.below ? value < thresholds.bad : value >= thresholds.bad);
  return `<p class="figure${isBad ? " bad" : ""}">${value === undefined ? "none" : amount(value, unit)}</p>`;
}

function chartOf(
  { form, unit, thresholds, max }: PanelSpec,
  found: readonly Line[],
  time: { readonly startS: number; readonly endS: number },
): string {
  const lines = found
    .map(({ name, points }) => ({
      name,
      points: points.filter(([, value]) => Number.isFinite(value)),
    }))
    .filter(({ points }) => points.length > 0);
  const shown = lines.toSorted((a, b) => peak(b) - peak(a)).slice(0, LINES_MAX);
  const heights = form === "area" ? stacked(shown) : shown;
  const top = max ?? niceTop(Math.max(0, ...heights.map(peak)));
  const x = (atS: number): string =>
    (LEFT + ((atS - time.startS) / (time.endS - time.startS)) * (WIDTH - LEFT - 6)).toFixed(1);
  const y = (value: number): string => (6 + (1 - value / top) * (HEIGHT - BOTTOM - 6)).toFixed(1);
  const grid = [0, 0.5, 1].map(
    (share) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - 6}" y1="${y(top * share)}" y2="${y(top * share)}"/><text x="${LEFT - 5}" y="${Number(y(top * share)) + 4}" text-anchor="end">${amount(top * share, unit)}</text>`,
  );
  const times = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const atS = time.startS + share * (time.endS - time.startS);
    return `<text x="${x(atS)}" y="${HEIGHT - 3}" text-anchor="${share === 1 ? "end" : "middle"}">${Math.round(atS - time.startS)} s</text>`;
  });
  const limit =
    thresholds === undefined || thresholds.bad > top
      ? ""
      : `<line class="limit" x1="${LEFT}" x2="${WIDTH - 6}" y1="${y(thresholds.bad)}" y2="${y(thresholds.bad)}"/>`;
  const paths = heights.map(
    ({ points }, index) =>
      `<polyline class="c${index}" points="${points.map(([atS, value]) => `${x(atS)},${y(value)}`).join(" ")}"/>`,
  );
  const legend = shown.map(
    ({ name, points }, index) =>
      `<li class="c${index}">${escapeHtml(name)} <b>${amount(points.at(-1)?.[1] ?? 0, unit)}</b></li>`,
  );
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}">${grid.join("")}${times.join("")}${limit}${paths.join("")}</svg><ul>${legend.join("")}</ul>`;
}

const peak = ({ points }: Line): number => Math.max(0, ...points.map(([, value]) => value));

/** Each line on top of those before it. */
function stacked(lines: readonly Line[]): readonly Line[] {
  const sums = new Map<number, number>();
  return lines.map(({ name, points }) => ({
    name,
    points: points.map(([atS, value]) => {
      const sum = (sums.get(atS) ?? 0) + value;
      sums.set(atS, sum);
      return [atS, sum] as const;
    }),
  }));
}

function legendOf(template: string, metric: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? "");
}

function niceTop(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 1.5, 2, 3, 5, 7.5, 10].find((step) => step * power >= value) ?? 10) * power;
}

const SCALES: Readonly<Record<Unit, (value: number) => string>> = {
  none: (value) => short(value),
  short: (value) => short(value),
  cps: (value) => `${short(value)}/s`,
  ops: (value) => `${short(value)}/s`,
  percentunit: (value) => `${short(value * 100)} %`,
  bytes: (value) =>
    value >= 2 ** 20
      ? `${short(value / 2 ** 20)} MiB`
      : value >= 1024
        ? `${short(value / 1024)} KiB`
        : `${short(value)} B`,
  s: (value) =>
    value === 0 || value >= 1
      ? `${short(value)} s`
      : value >= 1e-3
        ? `${short(value * 1e3)} ms`
        : `${short(value * 1e6)} µs`,
  dtdurations: (value) => `${short(value / 86_400)} days`,
};
const amount = (value: number, unit: Unit): string => SCALES[unit](value);
const short = (value: number): string =>
  value >= 1e6
    ? `${Number((value / 1e6).toPrecision(3))} M`
    : value >= 1e4
      ? `${Number((value / 1e3).toPrecision(3))} k`
      : String(Number(value.toPrecision(3)));

const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

const STYLE = `:root { color-scheme: light dark; --ink: light-dark(#1d2430, #d7dce4); --faint: light-dark(#667085, #8a94a6); --back: light-dark(#f4f5f7, #111418); --panel: light-dark(#fff, #1a1e24); --rule: light-dark(#e3e6eb, #2a3038); }
body { margin: 0; padding: 20px; background: var(--back); color: var(--ink); font: 13px/1.4 system-ui, sans-serif; }
h1 { font-size: 18px; margin: 0 0 8px; } h2 { font-size: 13px; margin: 14px 0 6px; color: var(--faint); font-weight: 600; } h3 { font-size: 12.5px; margin: 0 0 4px; font-weight: 600; }
.row { display: grid; grid-template-columns: repeat(24, 1fr); gap: 8px; } section { background: var(--panel); border: 1px solid var(--rule); border-radius: 4px; padding: 8px 10px; min-width: 0; }
.figure { font-size: 26px; margin: 2px 0; font-variant-numeric: tabular-nums; } .figure.bad { color: light-dark(#c0362c, #ff7b72); }
svg { width: 100%; display: block; } text { font-size: 10px; fill: var(--faint); } .grid { stroke: var(--rule); } .limit { stroke: light-dark(#c0362c, #ff7b72); stroke-dasharray: 4 3; }
polyline { fill: none; stroke-width: 1.6; stroke: currentColor; } ul { list-style: none; margin: 4px 0 0; padding: 0; font-size: 11px; display: flex; flex-wrap: wrap; gap: 2px 12px; color: var(--faint); }
li::before { content: ""; display: inline-block; width: 12px; height: 3px; margin: 0 5px 3px 0; background: currentColor; } li { color: var(--faint); } li b { font-weight: 600; color: var(--ink); }
${["#2f6fde", "#d9822b", "#2a9d63", "#b0459c", "#7a5af8", "#c0362c", "#0e8ba8", "#8a7a2b"].map((colour, index) => `polyline.c${index} { color: ${colour}; } li.c${index}::before { background: ${colour}; }`).join("\n")}`;
