// Owns: a plan as one picture: a storm under four sets of rules, and how many nodes growth needs.
import type { MassReconnectResult } from "./mass-reconnect.ts";
import type { Growth, Plan } from "./plan.ts";
import { sampled } from "./report-text.ts";
import { count, duration } from "./units.ts";

const WIDTH = 760;
const PLOT = { left: 56, width: 490, height: 220, top: 64 } as const;
const POINTS = 120;
const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --ink: #1b2430; --faint: #8a94a3; --line: #d8dde4; --a: #0b6bcb; --b: #14803c; --c: #b35c00; --d: #c2255c }
@media (prefers-color-scheme: dark) { :root { --ground: #10151c; --ink: #e6ebf2; --faint: #8f9bab; --line: #2b3440; --a: #63b0ff; --b: #5fd08a; --c: #ffb15c; --d: #ff7eaf } }
text { font: 13px system-ui, sans-serif; fill: var(--ink) } .small { font-size: 12px; fill: var(--faint) } .title { font-size: 16px; font-weight: 600 }
.grid { stroke: var(--line) } path { fill: none; stroke-width: 2.5 }`;

interface Series {
  readonly name: string;
  readonly color: "a" | "b" | "c" | "d";
  readonly dash: string;
  readonly massReconnect: MassReconnectResult;
}

/** A self-contained SVG for light and dark. */
export function planSvg(plan: Plan): string {
  const { storms, growth, scenario, nodes } = plan;
  const series: readonly Series[] = [
    { name: "as it is", color: "a", dash: "", massReconnect: storms.asIs },
    {
      name: `window of ${duration(storms.fullWindowMs)}`,
      color: "b",
      dash: "8 3",
      massReconnect: storms.fullWindow,
    },
    { name: "no window", color: "c", dash: "3 3", massReconnect: storms.withoutWindow },
    { name: "no admission either", color: "d", dash: "10 3 2 3", massReconnect: storms.neither },
  ];
  const height = growth.length === 0 ? 350 : 390 + growth.length * 26;
  const title = `${count(scenario.demand.clients)} clients on ${count(nodes)} nodes lose all connections at once`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}"><style>${STYLE}</style>
<rect width="${WIDTH}" height="${height}" style="fill:var(--ground)"/>
<text x="24" y="30" class="title">${title}</text><text x="24" y="49" class="small">share that is back, if a handshake costs as much CPU as A = ${count(scenario.node.handshakesPerSecond)} a second for each node says</text>
${stormPlot(series, storms.fullWindowMs)}
${growth.length === 0 ? "" : growthBars(growth)}
</svg>
`;
}

function stormPlot(series: readonly Series[], fullWindowMs: number): string {
  const ends = series.map(
    ({ massReconnect }) => massReconnect.backMs ?? massReconnect.curve.at(-1)?.atMs ?? 0,
  );
  const untilMs = Math.min(Math.max(...ends), 4 * Math.max(ends[0] ?? 0, fullWindowMs));
  const { left, width, height, top } = PLOT;
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const y = top + height * (1 - share);
    return `<line class="grid" x1="${left}" x2="${left + width}" y1="${y}" y2="${y}"/><text class="small" x="${left - 8}" y="${y + 4}" text-anchor="end">${share * 100} %</text>`;
  });
  const times = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<text class="small" x="${left + width * share}" y="${top + height + 20}" text-anchor="middle">${duration(untilMs * share)}</text>`,
  );
  const lines = series.map(({ color, dash, massReconnect }) => {
    const points = [0, ...sampled(massReconnect, POINTS, untilMs)].map(
      (share, point) =>
        `${(left + (width * point) / POINTS).toFixed(1)} ${(top + height * (1 - share)).toFixed(1)}`,
    );
    return `<path d="M${points.join("L")}" style="stroke:var(--${color})" stroke-dasharray="${dash}"/>`;
  });
  const legend = series.map(({ name, color, dash, massReconnect }, place) => {
    const y = top + 12 + place * 44;
    const back =
      massReconnect.backMs === undefined
        ? `${Math.round(massReconnect.backShare * 100)} % back`
        : `all back: ${duration(massReconnect.backMs)}`;
    const x = left + width + 16;
    return `<path d="M${x} ${y}h22" style="stroke:var(--${color})" stroke-dasharray="${dash}"/><text x="${x + 28}" y="${y + 4}">${name}</text><text class="small" x="${x + 28}" y="${y + 20}">${back}</text>`;
  });
  return [...grid, ...times, ...lines, ...legend].join("\n");
}

function growthBars(growth: readonly Growth[]): string {
  const most = Math.max(1, ...growth.map(({ nodes }) => nodes));
  const rows = growth.map(({ months, clients, nodes, binding }, place) => {
    const y = 376 + place * 26;
    const width = (340 * nodes) / most;
    return `<text x="110" y="${y + 13}" text-anchor="end">${months} months</text><rect x="120" y="${y}" width="${width.toFixed(1)}" height="17" rx="2" style="fill:var(--a)"/><text class="small" x="${(128 + width).toFixed(1)}" y="${y + 13}">${count(nodes)} nodes, ${count(clients)} clients; ${binding ?? ""}</text>`;
  });
  return `<text x="24" y="360" class="title">Growth</text>${rows.join("\n")}`;
}
