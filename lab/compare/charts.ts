// Owns: the charts of docs/benchmarks.md, made from a result alone.
import type { Series } from "../micro/series.ts";
import { type Bar, type BarChart, barChart, type Theme } from "./bar-chart.ts";
import { type CompareResult, seriesOf } from "./result.ts";
import { RIVAL_NAMES, RIVAL_TEXTS, type RivalName } from "./rivals.ts";
import type { ScenarioName } from "./scenario.ts";
import { deliveriesPerCpuSecond } from "./targets.ts";

export const CHART_NAMES = ["fanout", "rooms", "memory", "recovery", "nodes"] as const;
export type ChartName = (typeof CHART_NAMES)[number];
export const THEMES: readonly Theme[] = ["light", "dark"];

/** The chart as SVG; undefined if nothing of it was measured. */
export function chartOf(result: CompareResult, name: ChartName, theme: Theme): string | undefined {
  const chart = CHARTS[name](result);
  return chart.bars.length === 0 ? undefined : barChart(chart, theme);
}

const CPU = ["user", "system"];

const CHARTS: Readonly<Record<ChartName, (result: CompareResult) => BarChart>> = {
  fanout: (result) => ({
    title: `CPU for each delivery, rooms of ${result.sizes.fanOut.subscribers.toLocaleString("en")}`,
    unit: "µs",
    parts: CPU,
    digits: 2,
    bars: cpuBars(result, "fanout"),
  }),
  rooms: (result) => ({
    title: `CPU for each delivery, rooms of ${result.sizes.rooms.members} in which everyone writes`,
    unit: "µs",
    parts: CPU,
    digits: 2,
    bars: cpuBars(result, "rooms"),
  }),
  memory: (result) => ({
    title: "Resident memory for each connection",
    unit: "kB",
    parts: ["idle", "more with one subscription"],
    digits: 1,
    bars: rivalsBars((rival, ours) => {
      const [idle, subscribed] = ["idleBytes", "subscribedBytes"].map((key) =>
        seriesOf(result, { scenario: "memory", rival }, key),
      );
      if (idle === undefined || subscribed === undefined) return undefined;
      const whole = subscribed.median / 1000;
      const bare = Math.min(idle.median / 1000, whole);
      return {
        label: RIVAL_TEXTS[rival].title,
        values: [bare, whole - bare],
        spread: [subscribed.least / 1000, subscribed.most / 1000],
        ours,
      };
    }),
  }),
  recovery: (result) => ({
    title: `CPU until ${result.sizes.recovery.clients.toLocaleString("en")} clients are back with ${result.sizes.recovery.missed} missed messages each`,
    unit: "seconds",
    parts: CPU,
    digits: 2,
    bars: rivalsBars((rival, ours) =>
      stacked(
        result,
        { scenario: "recovery", rival },
        { user: "userSeconds", system: "systemSeconds", label: RIVAL_TEXTS[rival].title, ours },
      ),
    ),
  }),
  nodes: (result) => ({
    title: "Deliveries for each CPU-second of the nodes, over Redis",
    unit: "deliveries",
    parts: [""],
    digits: 0,
    bars: rivalsBars((rival, ours) =>
      ([1, 2, 3] as const).flatMap((nodes): Bar[] => {
        const found = seriesOf(
          result,
          { scenario: `nodes-${nodes}`, rival },
          deliveriesPerCpuSecond,
        );
        if (found === undefined) return [];
        const label = `${RIVAL_TEXTS[rival].title.replace(" over Redis", "")}, ${nodes === 1 ? "1 node" : `${nodes} nodes`}`;
        return [{ label, values: [found.median], spread: [found.least, found.most], ours }];
      }),
    ),
  }),
};

function cpuBars(result: CompareResult, scenario: ScenarioName): readonly Bar[] {
  return rivalsBars((rival, ours) =>
    stacked(
      result,
      { scenario, rival },
      {
        user: "userUsPerDelivery",
        system: "systemUsPerDelivery",
        label: RIVAL_TEXTS[rival].title,
        ours,
      },
    ),
  );
}

interface Stack {
  readonly user: string;
  readonly system: string;
  readonly label: string;
  readonly ours: boolean;
}

/** User and system time on top of each other; the spread is that of their sum. */
function stacked(
  result: CompareResult,
  where: { scenario: ScenarioName; rival: RivalName },
  { user, system, label, ours }: Stack,
): Bar | undefined {
  const [userTime, systemTime] = [user, system].map((key) => seriesOf(result, where, key));
  const whole: Series | undefined = seriesOf(
    result,
    where,
    (figures) => (figures[user] ?? Number.NaN) + (figures[system] ?? Number.NaN),
  );
  if (userTime === undefined || systemTime === undefined || whole === undefined) return undefined;
  return {
    label,
    values: [userTime.median, systemTime.median],
    spread: [whole.least, whole.most],
    ours,
  };
}

function rivalsBars(
  bars: (rival: RivalName, ours: boolean) => Bar | readonly Bar[] | undefined,
): readonly Bar[] {
  return RIVAL_NAMES.flatMap((rival) => bars(rival, rival.startsWith("holdfast")) ?? []);
}
