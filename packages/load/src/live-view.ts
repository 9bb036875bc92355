// Owns: the live view of a load run: a few lines that are drawn again each second, or one line from
// time to time. Pure.
import { bytesText, numberText } from "./report/text.ts";
import type { Point } from "./result.ts";
import type { Progress } from "./run.ts";
import { timeText } from "./slo.ts";

export interface Screen {
  readonly colors: boolean;
  readonly columns: number;
}

const BAR_CHARS = 24;
const LEVELS = [..."▁▂▃▄▅▆▇█"];
const SPARKS_MAX = 40;

/** One line, for logs and pipes. */
export function progressLine(progress: Progress): string {
  const { phase, number, of, ms, point, wanted, errors } = progress;
  const rates = rateTexts(point).join(", ");
  const times = mainPoint(point);
  const parts = [
    `${numberText(point.connected)} of ${numberText(wanted)} connected`,
    rates,
    times === undefined
      ? ""
      : `${times.kind} p50 ${timeText(times.p50Us)} p99 ${timeText(times.p99Us)}`,
    errors.length > 0 ? `errors ${errorText(errors)}` : "",
  ];
  return `${number}/${of} ${phase.name} ${(Math.max(0, ms) / 1000).toFixed(0)} s: ${parts.filter((part) => part !== "").join("; ")}`;
}

/** The lines of the live view; `past` holds the points so far. */
export function liveLines(
  progress: Progress,
  past: readonly Point[],
  screen: Screen,
): readonly string[] {
  const { phase, number, of, ms, point, wanted, servers, errors } = progress;
  const paint = (code: string, text: string) =>
    screen.colors ? `\u001b[${code}m${text}\u001b[0m` : text;
  const dim = (text: string) => paint("90", text);
  const whole = phase.do === "hold" ? phase.ms : undefined;
  const share =
    phase.do === "connect"
      ? point.connected / Math.max(1, wanted * phase.share)
      : whole === undefined
        ? undefined
        : ms / Math.max(1, whole);
  const clock = whole === undefined ? `${seconds(ms)} s` : `${seconds(ms)} of ${seconds(whole)} s`;
  const times = mainPoint(point);
  const timeline = past
    .map((seen) => (times === undefined ? undefined : seen.times[times.kind]?.p99Us))
    .filter((us) => us !== undefined);
  const lines = [
    `${paint("1", phase.name)} ${dim(`phase ${number} of ${of}, ${clock}`)}  ${share === undefined ? "" : bar(share)}`,
    `  connected  ${numberText(point.connected)} of ${numberText(wanted)}`,
    `  rates      ${rateTexts(point).join(", ") || dim("nothing yet")}`,
    ...(times === undefined
      ? []
      : [
          `  ${times.kind.padEnd(10)} p50 ${timeText(times.p50Us)}  p99 ${timeText(times.p99Us)}  max ${timeText(times.maxUs)}`,
          `  ${dim("p99".padEnd(10))} ${paint("36", sparkline(timeline))}`,
        ]),
    ...(errors.length === 0 ? [] : [paint("31", `  errors     ${errorText(errors)}`)]),
    ...servers.map((name, place) => serverLine(name, point.servers[place])),
    dim(
      `  generator  ${numberText(point.generator.cores, 2)} cores, loop lag ${timeText(point.generator.lagUs)}; Ctrl-C ends it and reports`,
    ),
  ];
  return lines.map((line) => cut(line, screen));
}

/** Takes the place of `lines` lines that were drawn before. */
export const overwriting = (lines: number): string =>
  lines === 0 ? "" : `\u001b[${lines}A\u001b[J`;

/** A row of blocks, the highest the highest. */
export function sparkline(values: readonly number[]): string {
  const shown = values.slice(-SPARKS_MAX);
  const most = Math.max(1, ...shown);
  return shown
    .map((value) => LEVELS[Math.min(LEVELS.length - 1, Math.floor((value / most) * LEVELS.length))])
    .join("");
}

interface MainPoint {
  readonly kind: "delivery" | "ping" | "handshake";
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

function mainPoint({ times }: Point): MainPoint | undefined {
  for (const kind of ["delivery", "ping", "handshake"] as const) {
    const found = times[kind];
    if (found !== undefined) return { kind, ...found };
  }
  return undefined;
}

function rateTexts({ perSecond }: Point): string[] {
  return [
    perSecond.handshakes > 0 && `${numberText(perSecond.handshakes)} handshakes/s`,
    perSecond.sent > 0 && `${numberText(perSecond.sent)} published/s`,
    perSecond.delivered > 0 && `${numberText(perSecond.delivered)} delivered/s`,
    perSecond.pongs > 0 && `${numberText(perSecond.pongs)} round trips/s`,
  ].filter((text) => text !== false);
}

function serverLine(name: string, server: Point["servers"][number] | undefined): string {
  const shown =
    server === undefined || server === null
      ? "no answer"
      : `${numberText(server.userCores + server.systemCores, 2)} cores, RSS ${bytesText(server.rssBytes)}`;
  return `  server     ${name}: ${shown}`;
}

const errorText = (errors: Progress["errors"]): string =>
  errors.map(([name, count]) => `${name} ${numberText(count)}`).join(", ");

const seconds = (ms: number): string => (Math.max(0, ms) / 1000).toFixed(0);

function bar(share: number): string {
  const full = Math.round(Math.max(0, Math.min(1, share)) * BAR_CHARS);
  return `${"━".repeat(full)}${"╌".repeat(BAR_CHARS - full)}`;
}

/** To the screen's width, not counting what only colours. */
function cut(line: string, { columns }: Screen): string {
  let width = 0;
  let out = "";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape that begins a colour
  for (const part of line.split(/(\u001b\[\d+m)/)) {
    if (part.startsWith("\u001b")) out += part;
    else {
      const room = Math.max(0, columns - 1 - width);
      out += part.slice(0, room);
      width += Math.min(part.length, room);
    }
  }
  return out;
}
