// Owns: the charts of a result: its course over time, and its percentiles. Pure.

import { TIME_KINDS, type TimeKind } from "../recorder.ts";
import type { LoadResult, Point } from "../result.ts";
import { LINE_COLOURS } from "./html.ts";
import { type Line, type LineChart, secondTicks } from "./line-chart.ts";
import { numberText } from "./text.ts";

const MIB = 2 ** 20;
/** Samples are a second apart. If some are missing, nothing was measured then. */
const JOIN_MS_MAX = 3_000;

/** What happened second by second. */
export function courseCharts({ timeline, phases, servers, plan }: LoadResult): LineChart[] {
  const end = Math.max(1_000, timeline.at(-1)?.atMs ?? 0);
  const shared = {
    x: { end, ticks: secondTicks(end) },
    marks: phases.map(({ startMs, name }) => ({ x: startMs, text: name, isShown: true })),
  };
  const line = (name: string, colour: number, y: (point: Point) => number | undefined): Line => ({
    name,
    colour: colour % LINE_COLOURS,
    joinMax: JOIN_MS_MAX,
    points: timeline.flatMap((point) => {
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
    timeline.some(({ perSecond }) => perSecond[kind] > 0),
  );
  // There are many deliveries for each publication, so they have their own chart.
  const few = rates.filter((kind) => kind !== "delivered");
  const watched = servers.map(({ name }) => ({
    name,
    place: [
      ...plan.observe.metricsUrls.map((url) => new URL(url).host),
      ...plan.observe.pids.map((id) => `pid ${id}`),
    ].indexOf(name),
  }));
  const charts: (LineChart | false)[] = [
    ...(["delivery", "ping", "handshake", "recovery"] as const)
      .filter((kind) => timeline.some(({ times }) => times[kind] !== undefined))
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
      lines: few.map((kind, place) =>
        line(RATE_NAMES[kind], place + 1, ({ perSecond }) => perSecond[kind]),
      ),
    },
    {
      ...shared,
      title: "Connections",
      unit: "",
      hasLegend: false,
      lines: [line("connections", 2, ({ connected }) => connected)],
    },
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
      lines: watched.map(({ name, place }) =>
        line(name, place, (point) => megabytes(point.servers[place]?.rssBytes)),
      ),
    },
    {
      ...shared,
      title: "Loop lag",
      unit: "ms",
      hasLegend: true,
      lines: [
        ...watched
          .filter(({ place }) =>
            timeline.some((point) => point.servers[place]?.lagUs !== undefined),
          )
          .map(({ name, place }) => line(name, place, (point) => ms(point.servers[place]?.lagUs))),
        line("generator", 7, ({ generator }) => ms(generator.lagUs)),
      ],
    },
  ];
  return charts.filter((chart) => chart !== false);
}

const RATE_NAMES = {
  handshakes: "handshakes",
  sent: "publications",
  pongs: "round trips",
  errors: "errors",
} as const;

/** The axis gives each further nine the same width. */
const nines = (percentile: number): number => Math.log10(100 / Math.max(0.001, 100 - percentile));
const NINE_TICKS = [0, 50, 90, 99, 99.9, 99.99, 99.999].map(
  (percentile) => [nines(percentile), `${percentile} %`] as const,
);

/** How long all but so many took. */
export function percentileCharts({ total }: LoadResult): LineChart[] {
  return TIME_KINDS.flatMap((kind, place): LineChart[] => {
    const times = total.times[kind];
    if (times === undefined || kind === "lateness") return [];
    // A percentile for less than one value has no meaning.
    const curve = times.curve.filter(
      ([percentile]) => percentile < 100 && times.count * (1 - percentile / 100) >= 1,
    );
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
          {
            name: kind,
            colour: place % LINE_COLOURS,
            points: curve.map(([percentile, us]) => [nines(percentile), us / 1000] as const),
          },
        ],
      },
    ];
  });
}

const ms = (us: number | undefined): number | undefined =>
  us === undefined ? undefined : us / 1000;
const megabytes = (bytes: number | undefined): number | undefined =>
  bytes === undefined ? undefined : bytes / MIB;
