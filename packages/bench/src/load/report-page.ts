// Owns: the result as one HTML file: verdicts, figures, and charts of the course. Pure.
import { escapeHtml, htmlPage, LINE_COLOURS } from "../report/html.ts";
import { type Line, type LineChart, lineChart, secondTicks } from "../report/line-chart.ts";
import { TIME_KINDS, type TimeKind } from "./recorder.ts";
import { bytesText, numberText, planText } from "./report-text.ts";
import type { LoadResult, PhaseResult, Point } from "./result.ts";
import { mainTimes, type SloVerdict, timeText } from "./slo.ts";

const MIB = 2 ** 20;
/** Looks are a second apart; where some are missing nothing was measured. */
const JOIN_MS_MAX = 3_000;

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
    busy.reduce((sum, { counts }) => sum + counts.delivered, 0) / Math.max(0.001, busy.reduce((sum, { ms }) => sum + ms, 0) / 1000);
  const errors = Object.values(total.errors).reduce((sum, count) => sum + count, 0);
  const all: (readonly [string, string] | false)[] = [
    [numberText(Math.max(...phases.map(({ connected }) => connected), 0)), "connections"],
    times !== undefined && [timeText(times.p50Us), `${main} p50`],
    times !== undefined && [timeText(times.p99Us), `${main} p99`],
    total.counts.delivered > 0 && [numberText(perSecond), "deliveries a second"],
    total.counts.delivered > 0 && [numberText(lost), "lost"],
    total.counts.delivered > 0 && [numberText(total.counts.duplicated + total.counts.outOfOrder), "duplicated, out of order"],
    [numberText(errors), "errors"],
    ...servers.map(
      (server): readonly [string, string] | false =>
        server.cpuUsPerDelivery !== undefined && [`${numberText(server.cpuUsPerDelivery, 1)} µs`, `CPU a delivery, ${server.name}`],
    ),
    ...servers.map(
      (server): readonly [string, string] | false =>
        server.rssBytesPerConnection !== undefined && [bytesText(server.rssBytesPerConnection), `RSS a connection, ${server.name}`],
    ),
    generator.cpuUsPerDelivery !== undefined && [`${numberText(generator.cpuUsPerDelivery, 1)} µs`, "CPU a delivery, generator"],
  ];
  return `<div class="tiles">${all.flatMap((tile) => (tile === false ? [] : [`<div><b>${escapeHtml(tile[0])}</b><span>${escapeHtml(tile[1])}</span></div>`])).join("")}</div>`;
}

function courseCharts({ course, phases, servers, plan }: LoadResult): LineChart[] {
  const end = Math.max(1_000, course.at(-1)?.atMs ?? 0);
  const shared = {
    x: { end, ticks: secondTicks(end) },
    marks: phases.map(({ startMs, name }) => ({ x: startMs, text: name, isShown: true })),
  };
  const line = (name: string, colour: number, y: (point: Point) => number | undefined): Line => ({
    name,
    colour: colour % LINE_COLOURS,
    joinMax: JOIN_MS_MAX,
    points: course.flatMap((point) => {
      const value = y(point);
      return value === undefined ? [] : [[point.atMs, value] as const];
    }),
  });
  const latency = (kind: TimeKind): LineChart => ({
    ...shared,
    title: `Latency: ${kind}`,
    unit: "ms",
    hasLegend: true,
    lines: [
      line("max", 1, ({ times }) => ms(times[kind]?.maxUs)),
      line("p99", 0, ({ times }) => ms(times[kind]?.p99Us)),
      line("p50", 2, ({ times }) => ms(times[kind]?.p50Us)),
    ],
  });
  const rates = (["handshakes", "sent", "delivered", "pongs", "errors"] as const).filter((kind) =>
    course.some(({ perSecond }) => perSecond[kind] > 0),
  );
  // Deliveries are many for each publication: a line of their own.
  const few = rates.filter((kind) => kind !== "delivered");
  const watched = servers.map(({ name }) => ({
    name,
    place: [...plan.observe.metricsUrls.map((url) => new URL(url).host), ...plan.observe.pids.map((id) => `pid ${id}`)].indexOf(name),
  }));
  const charts: (LineChart | false)[] = [
    ...(["delivery", "ping", "handshake", "recovery"] as const)
      .filter((kind) => course.some(({ times }) => times[kind] !== undefined))
      .map(latency),
    rates.includes("delivered") && {
      ...shared,
      title: "Deliveries",
      unit: "a second",
      hasLegend: false,
      lines: [line("deliveries", 0, ({ perSecond }) => perSecond.delivered)],
    },
    few.length > 0 && {
      ...shared,
      title: "Other rates",
      unit: "a second",
      hasLegend: true,
      lines: few.map((kind, place) => line(RATE_NAMES[kind], place + 1, ({ perSecond }) => perSecond[kind])),
    },
    { ...shared, title: "Connections", unit: "", hasLegend: false, lines: [line("connections", 2, ({ connected }) => connected)] },
    {
      ...shared,
      title: "CPU",
      unit: "cores",
      hasLegend: true,
      lines: [
        ...watched.flatMap(({ name, place }) => [
          line(`${name}, user`, place * 2, (point) => point.servers[place]?.userCores),
          line(`${name}, system`, place * 2 + 1, (point) => point.servers[place]?.systemCores),
        ]),
        line("generator", 7, ({ generator }) => generator.cores),
      ],
    },
    watched.length > 0 && {
      ...shared,
      title: "Memory of the servers (RSS)",
      unit: "MiB",
      hasLegend: true,
      lines: watched.map(({ name, place }) => line(name, place, (point) => megabytes(point.servers[place]?.rssBytes))),
    },
    {
      ...shared,
      title: "Loop lag",
      unit: "ms",
      hasLegend: true,
      lines: [
        ...watched
          .filter(({ place }) => course.some((point) => point.servers[place]?.lagUs !== undefined))
          .map(({ name, place }) => line(name, place, (point) => ms(point.servers[place]?.lagUs))),
        line("generator", 7, ({ generator }) => ms(generator.lagUs)),
      ],
    },
  ];
  return charts.filter((chart) => chart !== false);
}

const RATE_NAMES = { handshakes: "handshakes", sent: "publications", pongs: "round trips", errors: "errors" } as const;

/** The axis gives each further nine the same room. */
const nines = (percentile: number): number => Math.log10(100 / Math.max(0.001, 100 - percentile));
const NINE_TICKS = [0, 50, 90, 99, 99.9, 99.99, 99.999].map((percentile) => [nines(percentile), `${percentile} %`] as const);

function percentileCharts({ total }: LoadResult): LineChart[] {
  return TIME_KINDS.flatMap((kind, place): LineChart[] => {
    const times = total.times[kind];
    if (times === undefined || kind === "lateness") return [];
    // Where a percentile would stand for less than one value it says nothing.
    const curve = times.curve.filter(([percentile]) => percentile < 100 && times.count * (1 - percentile / 100) >= 1);
    const last = nines(curve.at(-1)?.[0] ?? 90);
    const end = Math.max(1, last);
    return [
      {
        title: `${kind} by percentile`,
        unit: `ms (${numberText(times.count)} values)`,
        x: { end, ticks: NINE_TICKS.filter(([at]) => at <= end + 0.001) },
        marks: [],
        hasLegend: false,
        lines: [
          { name: kind, colour: place % LINE_COLOURS, points: curve.map(([percentile, us]) => [nines(percentile), us / 1000] as const) },
        ],
      },
    ];
  });
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
              ...[of.minUs, of.meanUs, of.p50Us, of.p90Us, of.p99Us, of.p999Us, of.maxUs].map(timeText),
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
  const us = (value: number | undefined) => (value === undefined ? "" : `${numberText(value, 2)} µs`);
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
  const rows = phases.flatMap(({ name, errors }) => Object.entries(errors).map(([error, count]) => [error, name, numberText(count)]));
  return rows.length === 0 ? "" : `<h2>Errors</h2>${table(["error", "phase", "count"], rows)}`;
}

function table(heads: readonly string[], rows: readonly (readonly string[])[], classOf: (cell: string) => string = () => ""): string {
  const head = heads.map((text) => `<th scope="col">${escapeHtml(text)}</th>`).join("");
  const body = rows
    .map(
      ([first = "", ...rest]) =>
        `<tr><th scope="row">${escapeHtml(first)}</th>${rest.map((cell) => `<td class="${classOf(cell)}">${escapeHtml(cell)}</td>`).join("")}</tr>`,
    )
    .join("");
  return `<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

const ms = (us: number | undefined): number | undefined => (us === undefined ? undefined : us / 1000);
const megabytes = (bytes: number | undefined): number | undefined => (bytes === undefined ? undefined : bytes / MIB);
