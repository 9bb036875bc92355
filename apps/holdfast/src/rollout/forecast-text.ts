// Owns: how the forecast of a release looks, for people and for programs.
import type { Strategy } from "@holdfast/operator";
import type { ForecastStep } from "@holdfast/plan";
import type { ReleaseForecast } from "./release-forecast.ts";
import { table } from "./set-text.ts";

/** Version of the JSON. It increases if a field is removed or changes its meaning. */
const JSON_VERSION = 1;

export function forecastJson(name: string, { forecast, ...basis }: ReleaseForecast): string {
  const { tookMs, steps, podsMax, handshakesPerSecondMax, ...figures } = forecast;
  const { desired, from, times, pods, replicas } = basis;
  return JSON.stringify(
    {
      version: JSON_VERSION,
      set: name,
      strategy: desired.release.strategy.kind,
      ...{ from, to: desired.revision, pods, replicas },
      seconds: tookMs / 1000,
      ...figures,
      ...{ handshakesPerSecondMax, podsMax },
      steps: steps.map((step) => ({
        ...{ step: step.step, sharePercent: shareOf(desired.release.strategy, step.step) },
        beganSeconds: step.beganMs / 1000,
        reachedSeconds: step.reachedMs === undefined ? null : step.reachedMs / 1000,
        endedSeconds: step.endedMs === undefined ? null : step.endedMs / 1000,
        waitsForPerson: step.waitsForPerson,
      })),
      basis: {
        podStartSeconds: times.startMs / 1000,
        podUnreadySeconds: times.unreadyMs / 1000,
        handshakesPerSecond: times.handshakesPerSecond,
        drainPerSecondMax: times.perSecondMax,
      },
    },
    null,
    2,
  );
}

export function forecastText(name: string, found: ReleaseForecast): string {
  const { forecast, desired, times, pods, replicas } = found;
  const { moves, connections, handshakesPerSecondMax: peak, cut, podsMax, steps } = forecast;
  const { strategy } = desired.release;
  const each = connections === 0 ? "" : `, ${(moves / connections).toFixed(2)} for each connection`;
  const rows = [
    ["takes", `${forecast.isOver ? "" : "it does not end: after "}${duration(forecast.tookMs)}`],
    ["moves", `${moves} sessions${each}`],
    [
      "handshakes",
      `${Math.ceil(peak.pod)} in the worst second of a pod, which takes ${times.handshakesPerSecond}${peak.pod > times.handshakesPerSecond ? " and refuses some" : ""}; ${Math.ceil(peak.all)} on all`,
    ],
    [
      "pods at once",
      `${podsMax}, of which ${Math.max(0, podsMax - replicas)} beside the ${replicas} that are wished`,
    ],
    ...(cut === 0 ? [] : [["cut", `${cut} sessions do not move within their window`]]),
  ];
  const goal =
    forecast.endRevision === desired.revision
      ? ""
      : `, which ends on revision ${forecast.endRevision}`;
  return [
    `${strategy.kind} release of ${name} to revision ${desired.revision}${goal}: ${pods} pods, ${connections} connections`,
    ...rows.map(([what = "", said = ""]) => `  ${what.padEnd(13)} ${said}`),
    ...(strategy.kind === "Rolling" ? [] : ["", stepsText(strategy, steps)]),
    "",
    ...(forecast.isOver && goal === "" ? [] : [forecast.message]),
    `By the operator's own decisions, if a pod is ready ${duration(times.startMs)} after it is made, and nothing goes wrong.`,
  ].join("\n");
}

function stepsText(strategy: Strategy, steps: readonly ForecastStep[]): string {
  const rows = steps.map((step) => [
    String(step.step),
    `${shareOf(strategy, step.step)} %`,
    duration(step.beganMs),
    step.reachedMs === undefined ? "-" : duration(step.reachedMs),
    step.endedMs === undefined ? "-" : duration(step.endedMs),
    step.waitsForPerson ? "a person promotes it, here at once" : "",
  ]);
  return table([["STEP", "SHARE", "BEGINS", "REACHED", "ENDS", "WAITS UNTIL"], ...rows]);
}

function shareOf(strategy: Strategy, step: number): number {
  return strategy.kind === "Canary" ? (strategy.steps[step - 1]?.sharePercent ?? 100) : 100;
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ].filter(([count]) => count !== 0);
  return parts.length === 0 ? "0 s" : parts.slice(0, 2).flat().join(" ");
}
