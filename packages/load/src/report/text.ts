// Owns: the result as plain text for a terminal. Pure.
import { TIME_KINDS } from "../recorder.ts";
import type { LoadResult, PhaseResult, ServerCost } from "../result.ts";
import { type SloVerdict, timeText } from "../slo.ts";

/** Everything that a person wants to know at the end of a run. */
export function resultText(result: LoadResult, verdicts: readonly SloVerdict[]): string {
  return [
    headText(result),
    ...result.phases.map((phase) => phaseText(phase)),
    accountText(result),
    ...result.servers.map(serverText),
    generatorText(result),
    ...result.warnings.map((warning) => `warning: ${warning}`),
    ...verdicts.map(
      ({ text, found, isMet }) => `SLO ${isMet ? "met   " : "MISSED"} ${text}, found ${found}`,
    ),
    "",
  ].join("\n");
}

export const numberText = (value: number, digits = 0): string =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

export const bytesText = (bytes: number): string =>
  bytes < 1024
    ? `${Math.round(bytes)} B`
    : bytes < 1 << 20
      ? `${numberText(bytes / 1024, 1)} KiB`
      : `${numberText(bytes / (1 << 20), 1)} MiB`;

export function planText({ plan }: Pick<LoadResult, "plan">): string {
  const { target, groups, workers, seed } = plan;
  const codec = target.driver === "holdfast" && target.codec !== "json" ? ` (${target.codec})` : "";
  const who = groups
    .map(({ name, connections }) => `${numberText(connections)} ${name}`)
    .join(", ");
  return `${target.driver}${codec} ${target.urls.join(" ")}: ${who}; ${workers} ${workers === 1 ? "worker" : "workers"}, seed ${seed}`;
}

function headText(result: LoadResult): string {
  const stopped = result.wasStopped
    ? "\nStopped before its time: these are the figures so far."
    : "";
  return `${result.scenario}: ${planText(result)}${stopped}`;
}

function phaseText(phase: PhaseResult): string {
  const { name, counts, ms, times, errors } = phase;
  const perSecond = (count: number) =>
    `${numberText(count)} (${numberText((count * 1000) / ms)}/s)`;
  const figures = [
    counts.handshakes > 0 &&
      `handshakes ${perSecond(counts.handshakes)} in ${numberText(counts.attempts)} attempts`,
    counts.lostConnections > 0 && `lost connections ${numberText(counts.lostConnections)}`,
    counts.recovered > 0 && `recovered ${numberText(counts.recovered)}`,
    counts.sent > 0 && `published ${perSecond(counts.sent)}`,
    counts.unsent > 0 && `not sent ${numberText(counts.unsent)}`,
    counts.delivered > 0 && `delivered ${perSecond(counts.delivered)}`,
    counts.pongs > 0 && `round trips ${perSecond(counts.pongs)}`,
    counts.gaps > 0 &&
      `gaps declared ${numberText(counts.gaps)} (${numberText(counts.gapPublications)} publications)`,
  ].filter((text) => text !== false);
  const head = `\n${name}, ${numberText(ms / 1000, 1)} s${phase.isMeasured ? "" : ", not measured"}: ${numberText(phase.connected)} connected${phase.absent > 0 && phase.do !== "hold" ? `, ${numberText(phase.absent)} missing` : ""}`;
  return [head, ...wrapped(figures), ...timesTable(times), ...errorLines(errors)].join("\n");
}

function wrapped(figures: readonly string[]): string[] {
  return figures.length === 0 ? [] : [`  ${figures.join("; ")}`];
}

function timesTable(times: PhaseResult["times"]): string[] {
  const shown = TIME_KINDS.filter((kind) => times[kind] !== undefined);
  if (shown.length === 0) return [];
  const cells = (texts: readonly string[]) => texts.map((text) => text.padStart(10)).join("");
  return [
    `  ${"".padEnd(15)}${cells(["p50", "p90", "p99", "p99.9", "max", "count"])}`,
    ...shown.map((kind) => {
      const of = times[kind];
      const values =
        of === undefined ? [] : [of.p50Us, of.p90Us, of.p99Us, of.p999Us, of.maxUs].map(timeText);
      return `  ${kind.padEnd(15)}${cells([...values, numberText(of?.count ?? 0)])}`;
    }),
  ];
}

function errorLines(errors: Readonly<Record<string, number>>): string[] {
  const all = Object.entries(errors).sort(([, a], [, b]) => b - a);
  return all.length === 0
    ? []
    : [`  errors: ${all.map(([name, count]) => `${name} ${numberText(count)}`).join(", ")}`];
}

function accountText({ lost, unanswered, total: { counts } }: LoadResult): string {
  const parts = [
    `lost ${numberText(lost)}`,
    `duplicated ${numberText(counts.duplicated)}`,
    `out of order ${numberText(counts.outOfOrder)}`,
    ...(unanswered > 0 ? [`unanswered ${numberText(unanswered)}`] : []),
  ];
  return `\naccount: ${parts.join(", ")}`;
}

function serverText(server: ServerCost): string {
  const us = (value: number) => `${numberText(value, 2)} µs`;
  const parts = [
    `CPU user ${timeText(server.userUs)}, system ${timeText(server.systemUs)}`,
    server.cpuUsPerHandshake !== undefined && `${us(server.cpuUsPerHandshake)} a handshake`,
    server.cpuUsPerDelivery !== undefined &&
      `${us(server.cpuUsPerDelivery)} a delivery (user ${us(server.userUsPerDelivery ?? 0)})`,
    `RSS ${bytesText(server.rssBytesBefore)} to ${bytesText(server.rssBytesMost)}`,
    server.rssBytesPerConnection !== undefined &&
      `${bytesText(server.rssBytesPerConnection)} a connection`,
    server.lagUs !== undefined && `loop lag up to ${timeText(server.lagUs)}`,
  ];
  return `server ${server.name}: ${parts.filter((text) => text !== false).join("; ")}`;
}

function generatorText({ generator }: LoadResult): string {
  const each =
    generator.cpuUsPerDelivery === undefined
      ? ""
      : `, ${numberText(generator.cpuUsPerDelivery, 2)} µs a delivery`;
  return `generator: CPU user ${timeText(generator.userUs)}, system ${timeText(generator.systemUs)}${each}; busiest worker ${Math.round(generator.busiest * 100)} % of a core; loop lag up to ${timeText(generator.lagUs)}`;
}
