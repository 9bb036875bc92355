// Owns: the program behind `npm run bench:compare`: arguments, the order of measurements, progress,
// the result and its page.
import { mkdirSync, rmSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { CompareError } from "./compare/compare-error.ts";
import { withHeadline } from "./compare/document.ts";
import { generatedFiles } from "./compare/generated.ts";
import { type Head, Journal } from "./compare/journal.ts";
import { thisMachine } from "./compare/machine.ts";
import { measure } from "./compare/measure.ts";
import { isComplete, turnsOf } from "./compare/measurement-order.ts";
import { pinned } from "./compare/pinning.ts";
import { ArgumentError, HELP, type Plan, planFrom } from "./compare/plan.ts";
import type { CompareResult } from "./compare/result.ts";
import { RIVAL_TEXTS, type RivalName } from "./compare/rivals.ts";
import { Servers } from "./compare/servers.ts";
import { targetsOf } from "./compare/targets.ts";
import { figuresText, line, tried } from "./compare/telling.ts";
import { ProveError } from "./prove/prove-error.ts";
import { RivalError } from "./rivals/rival-error.ts";

const ROOT = join(import.meta.dir, "..");
const FOLDER = join(ROOT, ".cache/bench/compare");
const README = join(ROOT, "README.md");
const EXIT = { measured: 0, wrong: 1, refused: 2, unable: 3 } as const;

/**
 * Exit status: 0 measured, 1 measured but messages were lost or doubled, 2 the arguments are wrong,
 * 3 it could not be carried out, or not all of it.
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
  const head: Head = {
    measuredAt: new Date().toISOString(),
    quick: plan.quick,
    loadBefore: loadavg()[0] ?? 0,
    machine: thisMachine(),
    ...(pinning.text === undefined ? {} : { pinned: pinning.text }),
    sizes: plan.sizes,
  };
  const journal = Journal.open(join(FOLDER, plan.quick ? "quick.jsonl" : "full.jsonl"), plan, head);
  const folder = join(FOLDER, "servers");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const servers = new Servers({
    folder,
    pinning,
    ...(plan.centrifugo === undefined ? {} : { centrifugo: plan.centrifugo }),
  });
  const stop = () => void servers.stopAll().then(() => process.exit(130));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  let failed = 0;
  for (const turn of turnsOf(plan)) {
    if (journal.has(turn)) continue;
    const versions = { ...(await runtimes()) };
    const startedMs = performance.now();
    const onVersion = (version: string) =>
      Object.assign(versions, { [turn.rival]: versionText(turn.rival, version, versions) });
    const name = `round ${turn.round} of ${plan.rounds}, ${turn.scenario}, ${RIVAL_TEXTS[turn.rival].title}`;
    const figures = await tried(name, () =>
      measure(servers, { ...turn, sizes: plan.sizes, onVersion }),
    );
    if (figures === undefined) failed++;
    else {
      journal.add({ ...turn, figures }, versions);
      line(
        `${name}: ${figuresText(figures)} (${Math.round((performance.now() - startedMs) / 1000)} s)`,
      );
    }
  }
  await publish(plan, journal.result());
  if (failed > 0) line(`${failed} measurements did not count; --resume makes them again`);
  const isWrong = journal.measurements.some(({ figures }) => (figures.wrong ?? 0) > 0);
  return failed > 0 ? EXIT.unable : isWrong ? EXIT.wrong : EXIT.measured;
}

/**
 * Writes the result and the files made from it: into docs, or beside the result if the run was
 * quick or not complete.
 */
async function publish(plan: Plan, result: CompareResult): Promise<void> {
  const isWhole = !plan.quick && isComplete(result, plan.rounds);
  const folder = isWhole ? ROOT : FOLDER;
  await Bun.write(
    join(folder, "docs/benchmarks/compare.json"),
    `${JSON.stringify(result, null, 1)}\n`,
  );
  for (const { path, text } of generatedFiles(result)) await Bun.write(join(folder, path), text);
  if (isWhole) await Bun.write(README, withHeadline(await Bun.file(README).text(), result));
  line(`written: ${folder}/docs/benchmarks.md`);
  for (const { title, wanted, found, met } of targetsOf(result))
    line(`${met ? "met   " : "missed"}  ${title}: ${found}, wanted ${wanted}`);
  for (const { scenario, rival, round, figures } of result.measurements)
    if ((figures.wrong ?? 0) > 0)
      line(
        `wrong   ${scenario}, ${rival}, round ${round}: ${figures.wrong} messages lost, doubled or out of order`,
      );
}

let found: Readonly<Record<string, string>> | undefined;

async function runtimes(): Promise<Readonly<Record<string, string>>> {
  found ??= {
    "bun-runtime": `Bun ${Bun.version}`,
    node: `Node ${(await output(["node", "--version"])).replace(/^v/, "")}`,
  };
  return found;
}

async function output(command: readonly string[]): Promise<string> {
  return (await new Response(Bun.spawn([...command]).stdout).text()).trim();
}

function versionText(
  rival: RivalName,
  version: string,
  versions: Readonly<Record<string, string>>,
): string {
  if (rival === "bun") return `Bun ${version}`;
  if (rival === "ws") return `ws ${version}, ${versions.node}`;
  if (rival.startsWith("socketio")) return `Socket.IO ${version}, ${versions.node}`;
  if (rival.startsWith("holdfast")) return `this version, ${versions["bun-runtime"]}`;
  return version === "" ? "version not asked" : `Centrifugo ${version}`;
}

process.exit(await main());
