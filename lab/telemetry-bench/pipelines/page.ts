// Owns: the part of the page about stream processors: target, chart, table, method.
import type { Bar, BarChart } from "../../compare/bar-chart.ts";
import { count, line, spread } from "../../compare/cells.ts";
import { seriesOf } from "../../compare/result.ts";
import type { TargetFound } from "../../compare/targets.ts";
import { isMeasured, type Pick, ratioOf } from "../rounds.ts";
import type { TelemetryResult } from "../subject.ts";
import { LATENESS_MS, WINDOW_MS } from "./engines.ts";
import { ENGINE_NAMES, ENGINE_TEXTS } from "./rivals.ts";
import type { PipelineSizes } from "./subject.ts";

type Result = TelemetryResult<PipelineSizes>;

const SCENARIO = "window";
const perCpuSecond: Pick = ({ eventsPerCpuSecond }) => eventsPerCpuSecond;

/** Medians of the ratios that each round gives by itself. */
export function pipelineTargets(result: Result): readonly TargetFound[] {
  const names = { scenario: SCENARIO, rival: "holdfast", over: "benthos" };
  const ratio = ratioOf(result, names, perCpuSecond);
  if (ratio === undefined) return [];
  return [
    {
      title: "Events for each CPU-second, filter, window and Kafka, over Benthos'",
      wanted: "at least 1",
      found: spread(ratio, 2),
      met: ratio.median >= 1,
    },
  ];
}

export function pipelineCharts(result: Result): Readonly<Record<string, BarChart>> {
  return {
    pipelines: {
      title: "Events for each CPU-second: filter, window of 10 s, Kafka on both sides",
      unit: "events",
      parts: [""],
      digits: 0,
      bars: ENGINE_NAMES.flatMap((rival): Bar[] => {
        const found = seriesOf(result, { scenario: SCENARIO, rival }, perCpuSecond);
        if (found === undefined) return [];
        return [
          {
            label: ENGINE_TEXTS[rival].title,
            values: [found.median],
            spread: [found.least, found.most],
            ours: rival.startsWith("holdfast"),
          },
        ];
      }),
    },
  };
}

export function pipelineSections(
  result: Result,
  chart: (name: string) => string,
): readonly string[] {
  const { perSecond, devices } = result.sizes.window;
  const rivals = ENGINE_NAMES.filter((rival) => isMeasured(result, rival));
  return [
    "## Pipelines",
    `${count(perSecond)} events a second of ${count(devices)} devices are in a topic of Kafka. A tenth of them is filtered out. The others go into windows of ${WINDOW_MS / 1000} s by event time and by device: their number, sum and maximum. Results go to another topic of Kafka.`,
    chart("pipelines"),
    table(result),
    "## How pipelines are measured",
    method(result.sizes),
    "## What the stream processors are",
    rivals
      .map(
        (rival) =>
          `- **${ENGINE_TEXTS[rival].title}** (${result.versions[rival] ?? "version unknown"}). ${ENGINE_TEXTS[rival].setup}`,
      )
      .join("\n"),
    "Benthos keeps each event of a window in memory until the window ends. Holdfast keeps what the aggregates need. Holdfast's events pass through a channel first. Benthos closes windows by the system's clock, and Holdfast by event time. So Holdfast gives the same windows again if the events are read again later.",
    "eKuiper and newer releases of Benthos' Kafka components are not here. The former could not be had as a Go module, and the latter are not under an open-source licence.",
  ];
}

const ROWS: readonly (readonly [label: string, pick: string | Pick, digits: number])[] = [
  ["events for each CPU-second", perCpuSecond, 0],
  ["user CPU for each event, µs", "userUsPerEvent", 1],
  ["system CPU for each event, µs", "systemUsPerEvent", 1],
  ["Redis' CPU for each event, µs", "redisUsPerEvent", 1],
  ["most resident memory, MB", ({ rssBytes = Number.NaN }) => rssBytes / 1e6, 0],
  ["results", "results", 0],
  ["windows missing, doubled or wrong", "wrong", 0],
];

function table(result: Result): string {
  const rivals = ENGINE_NAMES.filter((rival) => isMeasured(result, rival));
  // At another pace there is nothing to compare.
  const ratios = rivals.map((rival) =>
    rival === "holdfast-redis"
      ? ""
      : spread(ratioOf(result, { scenario: SCENARIO, rival, over: "benthos" }, perCpuSecond), 2),
  );
  return [
    line(["", ...rivals.map((rival) => ENGINE_TEXTS[rival].title)]),
    line(["---", ...rivals.map(() => "---:")]),
    ...ROWS.map(([label, pick, digits]) =>
      line([
        label,
        ...rivals.map((rival) =>
          spread(seriesOf(result, { scenario: SCENARIO, rival }, pick), digits),
        ),
      ]),
    ),
    line(["events for each CPU-second, as a multiple of Benthos'", ...ratios]),
  ].join("\n");
}

function method({ window }: PipelineSizes): string {
  const { disorderMs, warmUpMs, measuredMs } = window;
  return [
    "- The broker is franz-go's `kfake`, in memory. The same program makes the events and knows each window that must come out. Topics have four partitions, and the device is the key.",
    `- Events are JSON objects of about 95 bytes, and up to ${disorderMs} ms out of order. Windows wait ${LATENESS_MS / 1000} s for late ones. The end of every measurement is that each window came out once, with the right figures.`,
    `- CPU is the user and system time of the engine's process over ${measuredMs / 1000} s, in which ${measuredMs / WINDOW_MS} windows end. The flow runs for ${warmUpMs / 1000} s before. Kafka, the events and Redis are on the other core. Ratios are those of one round, and the table has their median.`,
    "- The pace is the same for Benthos and Holdfast. Over Redis it is 0.4 of that, so this column is not compared with Benthos. At the full pace Holdfast over Redis fell behind here, and windows were late: Redis, Kafka and the events share a core. It was measured in a run of its own.",
  ].join("\n");
}
