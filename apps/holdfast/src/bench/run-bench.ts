// Owns: one run of `holdfast bench`: it shows progress, ends on a signal, writes the result, and
// decides the exit status.
import { access, constants, readFile, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import {
  judge,
  LoadError,
  type LoadPlan,
  type LoadResult,
  liveLines,
  overwriting,
  type Point,
  type Progress,
  progressLine,
  readSlos,
  reportPage,
  resultText,
  runLoad,
  type Slo,
  type SloVerdict,
} from "@holdfast/load";
import { BENCH_TOKEN_VARIABLE } from "../configuration.ts";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { onStopSignal } from "../signals.ts";
import type { ReportOptions } from "./options.ts";

/** Pause between two lines if there is no screen. */
const LINE_EVERY_MS = 5_000;
/** Ended by the second Ctrl-C. */
const CUT_OFF = 130;
const TOKEN_CHARS_MAX = 8_192;

/** Runs the plan. The objectives of option `slo` are added to the plan's own. */
export async function runBench(
  plan: LoadPlan,
  own: readonly Slo[],
  options: ReportOptions,
  host: Host,
): Promise<number> {
  try {
    const slos = [...own, ...(options.slo === undefined ? [] : readSlos(options.slo))];
    await wantWritable([options.json, options.html], host);
    const stop = new AbortController();
    onStopSignal(host, (_signal, count) => {
      if (count > 1) return host.exit(CUT_OFF);
      host.err("\nending; what was measured so far follows (again: end at once)\n");
      stop.abort();
    });
    const onProgress = showing(host);
    const result = await runLoad(plan, {
      stop: stop.signal,
      onProgress,
      worker: [...host.self, "bench-worker"],
    });
    const verdicts = judge(slos, result);
    await write({ result, verdicts }, options, host);
    return verdicts.every(({ isMet }) => isMet) ? EXIT.ok : EXIT.missed;
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    host.err(`${error.message}\n`);
    return error.code === "nobody_connected"
      ? EXIT.unavailable
      : error.code === "worker_failed"
        ? EXIT.failed
        : EXIT.refused;
  }
}

/** A run of an hour whose result cannot be written is refused before it begins. */
async function wantWritable(files: readonly (string | undefined)[], host: Host): Promise<void> {
  for (const file of files) {
    if (file === undefined || file === "-") continue;
    try {
      await access(dirname(resolve(host.cwd, file)), constants.W_OK);
    } catch {
      throw new LoadError(
        "plan_invalid",
        `Cannot write ${file}: found no folder for it that can be written to`,
      );
    }
  }
}

/**
 * The token of all connections: from the file, else the environment. Never from an argument, which
 * everyone on the machine could read.
 */
export async function tokenOf(file: string | undefined, host: Host): Promise<string | undefined> {
  if (file === undefined) return host.env[BENCH_TOKEN_VARIABLE];
  let text: string;
  try {
    text = (await readFile(resolve(host.cwd, file), "utf8")).trim();
  } catch (error) {
    throw new LoadError(
      "plan_invalid",
      `--token-file: cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  if (text === "" || text.length > TOKEN_CHARS_MAX || /\s/.test(text))
    throw new LoadError(
      "plan_invalid",
      `--token-file: found ${text.length} characters, expected one token of at most ${TOKEN_CHARS_MAX.toLocaleString("en")}`,
    );
  return text;
}

function showing(host: Host): (progress: Progress) => void {
  const { screen } = host;
  const past: Point[] = [];
  let drawn = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  let lastPhase = 0;
  return (progress) => {
    past.push(progress.point);
    if (screen !== undefined) {
      const lines = liveLines(progress, past, {
        colors: host.env.NO_COLOR === undefined,
        columns: screen.columns(),
      });
      host.err(`${overwriting(drawn)}${lines.join("\n")}\n`);
      drawn = lines.length;
      return;
    }
    const nowMs = performance.now();
    if (progress.number === lastPhase && nowMs - lastMs < LINE_EVERY_MS) return;
    [lastMs, lastPhase] = [nowMs, progress.number];
    host.err(`${progressLine(progress)}\n`);
  };
}

async function write(
  found: { readonly result: LoadResult; readonly verdicts: readonly SloVerdict[] },
  options: ReportOptions,
  host: Host,
): Promise<void> {
  const { result, verdicts } = found;
  const json = `${JSON.stringify({ ...result, slos: verdicts }, null, 2)}\n`;
  if (options.json === "-") host.out(json);
  else host.out(resultText(result, verdicts));
  if (options.json !== undefined && options.json !== "-")
    await writeFile(resolve(host.cwd, options.json), json);
  if (options.html !== undefined)
    await writeFile(resolve(host.cwd, options.html), reportPage(result, verdicts));
}
