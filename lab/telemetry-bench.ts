// Owns: the program behind `npm run bench:compare -- --mqtt` and `-- --pipelines`: arguments, the
// order of measurements, progress, the result and its page.
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { CompareError } from "./compare/compare-error.ts";
import { type Head, Journal } from "./compare/journal.ts";
import { thisMachine } from "./compare/machine.ts";
import { pinned } from "./compare/pinning.ts";
import { ArgumentError } from "./compare/plan.ts";
import { figuresText, line, tried } from "./compare/telling.ts";
import { ProveError } from "./prove/prove-error.ts";
import { RivalError } from "./rivals/rival-error.ts";
import {
  type Results,
  resultPath,
  TELEMETRY_PAGE,
  telemetryFiles,
} from "./telemetry-bench/generated.ts";
import { HELP, type Plan, planFrom, turnsOf } from "./telemetry-bench/plan.ts";
import { SUBJECT_NAMES, type TelemetryResult } from "./telemetry-bench/subject.ts";
import { SUBJECTS } from "./telemetry-bench/subjects.ts";

const ROOT = join(import.meta.dir, "..");
const FOLDER = join(ROOT, ".cache/bench/telemetry");
const EXIT = { measured: 0, wrong: 1, refused: 2, unable: 3 } as const;

/**
 * Exit status: 0 measured, 1 measured but something was lost, doubled or wrong, 2 the arguments are
 * wrong, 3 it could not be carried out, or not all of it.
 */
async function main(): Promise<number> {
  try {
    const plan = planFrom(process.argv.slice(2));
    if (plan === undefined) {
      process.stdout.write(HELP);
      return EXIT.measured;
    }
    return await compare(plan);
  } catch (error) {
    const isOurs = [ArgumentError, CompareError, RivalError, ProveError].some(
      (kind) => error instanceof kind,
    );
    if (!isOurs) throw error;
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return error instanceof ArgumentError ? EXIT.refused : EXIT.unable;
  }
}

async function compare(plan: Plan): Promise<number> {
  const pinning = await pinned();
  const subject = SUBJECTS[plan.name];
  const head: Head<unknown> = {
    measuredAt: new Date().toISOString(),
    quick: plan.quick,
    loadBefore: loadavg()[0] ?? 0,
    machine: thisMachine(),
    ...(pinning.text === undefined ? {} : { pinned: pinning.text }),
    sizes: plan.sizes,
  };
  const path = join(FOLDER, `${plan.name}-${plan.quick ? "quick" : "full"}.jsonl`);
  const journal = Journal.open<string, string, unknown>(path, plan, head);
  const folder = join(FOLDER, `servers-${plan.name}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const measuring = subject.open({ folder, pinning, sizes: plan.sizes });
  const stop = () => void measuring.stopAll().then(() => process.exit(130));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  let failed = 0;
  for (const turn of turnsOf(plan)) {
    if (journal.has(turn)) continue;
    const versions: Record<string, string> = {};
    const startedMs = performance.now();
    const name = `round ${turn.round} of ${plan.rounds}, ${turn.scenario}, ${subject.titleOf(turn.rival)}`;
    const figures = await tried(name, () =>
      measuring.measure(turn, (rival, version) => Object.assign(versions, { [rival]: version })),
    );
    if (figures === undefined) {
      failed++;
      continue;
    }
    journal.add({ ...turn, figures }, versions);
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    line(`${name}: ${figuresText(figures)} (${seconds} s)`);
  }
  await publish(plan, journal.result());
  if (failed > 0) line(`${failed} measurements did not count; --resume makes them again`);
  const isWrong = journal.measurements.some(({ figures }) => (figures.wrong ?? 0) > 0);
  return failed > 0 ? EXIT.unable : isWrong ? EXIT.wrong : EXIT.measured;
}

/** Into docs; or beside the measurements if the run was quick or not complete. */
async function publish(plan: Plan, result: TelemetryResult): Promise<void> {
  const { scenarios, rivals } = SUBJECTS[plan.name];
  const all = turnsOf({ name: plan.name, rounds: plan.rounds, scenarios, rivals });
  const isWhole =
    !plan.quick && all.every((turn) => result.measurements.some((found) => sameTurn(found, turn)));
  const folder = isWhole ? ROOT : FOLDER;
  await Bun.write(join(folder, resultPath(plan.name)), `${JSON.stringify(result, null, 1)}\n`);
  const results: Results = { ...keptResults(), [plan.name]: result };
  for (const { path, text } of telemetryFiles(results)) await Bun.write(join(folder, path), text);
  line(`written: ${folder}/${TELEMETRY_PAGE}`);
  for (const { title, wanted, found, met } of SUBJECTS[plan.name].targets(result))
    line(`${met ? "met   " : "missed"}  ${title}: ${found}, wanted ${wanted}`);
  for (const { scenario, rival, round, figures } of result.measurements)
    if ((figures.wrong ?? 0) > 0)
      line(
        `wrong   ${scenario}, ${rival}, round ${round}: ${figures.wrong} lost, doubled or wrong`,
      );
}

/** Of the other subjects. */
const keptResults = (): Results =>
  Object.fromEntries(
    SUBJECT_NAMES.flatMap((name) => {
      const path = join(ROOT, resultPath(name));
      return existsSync(path) ? [[name, JSON.parse(readFileSync(path, "utf8"))]] : [];
    }),
  );

const sameTurn = (
  one: { readonly scenario: string; readonly rival: string; readonly round: number },
  other: typeof one,
): boolean =>
  one.scenario === other.scenario && one.rival === other.rival && one.round === other.round;

process.exit(await main());
