// Owns: the result as one HTML file: verdicts, figures, and charts of the course. Pure.

import { TIME_KINDS } from "../recorder.ts";
import type { LoadResult, PhaseResult } from "../result.ts";
import { mainTimes, type SloVerdict, timeText } from "../slo.ts";
import { escapeHtml, htmlPage } from "./html.ts";
import { lineChart } from "./line-chart.ts";
import { courseCharts, percentileCharts } from "./load-charts.ts";
import { bytesText, numberText, planText } from "./text.ts";

/** The whole page. */
export function reportPage(result: LoadResult, verdicts: readonly SloVerdict[]): string {
  const { machine, startedAt, scenario, wasStopped } = result;
  const missed = verdicts.filter(({ isMet }) => !isMet).length;
  const verdict =
    verdicts.length === 0
      ? ""
      : missed === 0
        ? `<p class="ok">Every objective is met.</p>`
        : `<p class="bad">${missed} of ${verdicts.length} objectives ${missed === 1 ? "is" : "are"} missed.</p>`;
  const software = `${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}; ${machine.runtime}`;
  const body = `<h1>Load: ${escapeHtml(scenario)}</h1>
<p class="soft">${escapeHtml(planText(result))}<br>${escapeHtml(startedAt.replace("T", " ").slice(0, 16))} UTC; generator: ${escapeHtml(software)}</p>
${wasStopped ? `<p class="bad">Stopped before its time: these are the figures so far.</p>` : ""}${verdict}
${tiles(result)}
${result.warnings.map((warning) => `<p class="warning">${escapeHtml(warning)}</p>`).join("\n")}
${sloTable(verdicts)}
<h2>Over time</h2><div class="charts">${courseCharts(result).map(lineChart).join("\n")}</div>
<h2>Percentiles</h2><div class="charts">${percentileCharts(result).map(lineChart).join("\n")}</div>
<h2>Phases</h2>${phaseTable(result)}
<h2>Times</h2>${timesTable(result)}
${serverTable(result)}
${errorTable(result)}
<p class="soft">Times are kept from the moment for which something was intended, so waiting is not hidden. Percentiles come from histograms merged over all workers. Lost, duplicated and out of order are counted by
the numbers that every publication carries. The token is not in this file.</p>`;
  return htmlPage({ title: `Load: ${scenario}`, body, style: STYLE });
}

const STYLE = `
.tiles { display: flex; flex-wrap: wrap; gap: 0.75rem 2.5rem; margin: 1.25rem 0; } .tiles div { min-width: 7rem; } .tiles b { display: block; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; } .tiles span { color: var(--soft); font-size: 13px; }
.warning { border-left: 3px solid var(--c1); padding-left: 0.75rem; } tbody th { min-width: 9rem; }
`;

function tiles({ total, lost, phases, servers, generator }: LoadResult): string {
  const main = mainTimes(total);
  const times = main === undefined ? undefined : total.times[main];
  const busy = phases.filter(({ isMeasured, counts }) => isMeasured && counts.delivered > 0);
  const perSecond =
    busy.reduce((sum, { counts }) => sum + counts.delivered, 0) /
    Math.max(0.001, busy.reduce((sum, { ms }) => sum + ms, 0) / 1000);
  const errors = Object.values(total.errors).reduce((sum, count) => sum + count, 0);
  const all: (readonly [string, string] | false)[] = [
    [numberText(Math.max(...phases.map(({ connected }) => connected), 0)), "connections"],
    times !== undefined && [timeText(times.p50Us), `${main} p50`],
    times !== undefined && [timeText(times.p99Us), `${main} p99`],
    total.counts.delivered > 0 && [numberText(perSecond), "deliveries a second"],
    total.counts.delivered > 0 && [numberText(lost), "lost"],
    total.counts.delivered > 0 && [
      numberText(total.counts.duplicated + total.counts.outOfOrder),
      "duplicated, out of order",
    ],
    [numberText(errors), "errors"],
    ...servers.map(
      (server): readonly [string, string] | false =>
        server.cpuUsPerDelivery !== undefined && [
          `${numberText(server.cpuUsPerDelivery, 1)} µs`,
          `CPU a delivery, ${server.name}`,
        ],
    ),
    ...servers.map(
      (server): readonly [string, string] | false =>
        server.rssBytesPerConnection !== undefined && [
          bytesText(server.rssBytesPerConnection),
          `RSS a connection, ${server.name}`,
        ],
    ),
    generator.cpuUsPerDelivery !== undefined && [
      `${numberText(generator.cpuUsPerDelivery, 1)} µs`,
      "CPU a delivery, generator",
    ],
  ];
  return `<div class="tiles">${all.flatMap((tile) => (tile === false ? [] : [`<div><b>${escapeHtml(tile[0])}</b><span>${escapeHtml(tile[1])}</span></div>`])).join("")}</div>`;
}

function sloTable(verdicts: readonly SloVerdict[]): string {
  if (verdicts.length === 0) return "";
  return `<h2>Objectives</h2>${table(
    ["wanted", "found", ""],
    verdicts.map(({ text, found, isMet }) => [text, found, isMet ? "met" : "missed"]),
    (cell) => (cell === "met" ? "ok" : cell === "missed" ? "bad" : ""),
  )}`;
}

/** Columns of counts in which nothing happened are left out. */
function phaseTable({ phases }: LoadResult): string {
  const counts: readonly (readonly [head: string, of: (phase: PhaseResult) => number])[] = [
    ["missing", (phase) => (phase.do === "hold" ? 0 : phase.absent)],
    ["handshakes", (phase) => phase.counts.handshakes],
    ["attempts", (phase) => phase.counts.attempts],
    ["lost connections", (phase) => phase.counts.lostConnections],
    ["recovered", (phase) => phase.counts.recovered],
    ["published", (phase) => phase.counts.sent],
    ["not sent", (phase) => phase.counts.unsent],
    ["delivered", (phase) => phase.counts.delivered],
    ["delivered/s", (phase) => (phase.counts.delivered * 1000) / phase.ms],
    ["round trips", (phase) => phase.counts.pongs],
    ["duplicated", (phase) => phase.counts.duplicated],
    ["out of order", (phase) => phase.counts.outOfOrder],
    ["gaps declared", (phase) => phase.counts.gaps],
  ];
  const shown = counts.filter(([, of]) => phases.some((phase) => of(phase) > 0));
  return table(
    ["phase", "length", "connected", ...shown.map(([head]) => head)],
    phases.map((phase) => [
      `${phase.name}${phase.isMeasured ? "" : " (not measured)"}`,
      `${numberText(phase.ms / 1000, 1)} s`,
      ...[phase.connected, ...shown.map(([, of]) => of(phase))].map((value) => numberText(value)),
    ]),
  );
}

function timesTable({ phases, total }: LoadResult): string {
  const rows = (name: string, { times }: Pick<PhaseResult, "times">) =>
    TIME_KINDS.flatMap((kind) => {
      const of = times[kind];
      return of === undefined
        ? []
        : [
            [
              `${name}: ${kind}`,
              ...[of.minUs, of.meanUs, of.p50Us, of.p90Us, of.p99Us, of.p999Us, of.maxUs].map(
                timeText,
              ),
              numberText(of.count),
            ],
          ];
    });
  return table(
    ["", "min", "mean", "p50", "p90", "p99", "p99.9", "max", "count"],
    [...rows("all measured", total), ...phases.flatMap((phase) => rows(phase.name, phase))],
  );
}

function serverTable({ servers, generator }: LoadResult): string {
  const us = (value: number | undefined) =>
    value === undefined ? "" : `${numberText(value, 2)} µs`;
  const rows = servers.map((server) => [
    server.name,
    timeText(server.userUs),
    timeText(server.systemUs),
    us(server.cpuUsPerHandshake),
    us(server.userUsPerDelivery),
    us(server.cpuUsPerDelivery),
    server.deliveriesPerCpuSecond === undefined ? "" : numberText(server.deliveriesPerCpuSecond),
    `${bytesText(server.rssBytesBefore)} to ${bytesText(server.rssBytesMost)}`,
    server.rssBytesPerConnection === undefined ? "" : bytesText(server.rssBytesPerConnection),
    server.lagUs === undefined ? "" : timeText(server.lagUs),
  ]);
  const own = [
    "generator",
    timeText(generator.userUs),
    timeText(generator.systemUs),
    "",
    "",
    us(generator.cpuUsPerDelivery),
    "",
    "",
    "",
    timeText(generator.lagUs),
  ];
  return `<h2>What it cost</h2>${table(["", "CPU user", "CPU system", "a handshake", "user a delivery", "CPU a delivery", "deliveries a CPU-second", "RSS", "RSS a connection", "loop lag"], [...rows, own])}`;
}

function errorTable({ phases }: LoadResult): string {
  const rows = phases.flatMap(({ name, errors }) =>
    Object.entries(errors).map(([error, count]) => [error, name, numberText(count)]),
  );
  return rows.length === 0 ? "" : `<h2>Errors</h2>${table(["error", "phase", "count"], rows)}`;
}

function table(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  classOf: (cell: string) => string = () => "",
): string {
  const head = heads.map((text) => `<th scope="col">${escapeHtml(text)}</th>`).join("");
  const body = rows
    .map(
      ([first = "", ...rest]) =>
        `<tr><th scope="row">${escapeHtml(first)}</th>${rest.map((cell) => `<td class="${classOf(cell)}">${escapeHtml(cell)}</td>`).join("")}</tr>`,
    )
    .join("");
  return `<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}
