// Owns: the program behind `npm run plan:validate`: it compares real runs with `holdfast plan`'s
// model, and writes the document.
import { mkdirSync, rmSync } from "node:fs";
import { loadavg } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { machine } from "@holdfast/load";
import { CALIBRATION } from "@holdfast/plan";
import { BenchError } from "./micro/bench-error.ts";
import { series } from "./micro/series.ts";
import { measureCosts } from "./plan-validation/costs.ts";
import { rollingDeployRun, stormRuns } from "./plan-validation/large-runs.ts";
import { type Figure, mergedFigures, type ValidationResult } from "./plan-validation/result.ts";
import { smallRuns } from "./plan-validation/small-runs.ts";
import { ValidationGround } from "./plan-validation/test-bed.ts";

const ROOT = join(import.meta.dir, "..");
const FOLDER = join(ROOT, ".cache/plan-validation");
const DOCS = join(ROOT, "docs/benchmarks/plan-validation.json");
const HELP = `plan:validate: real nodes and clients beside what the model of holdfast plan says of them; about four minutes a round
  --rounds N    default 1
  --clients N   clients of the large runs, a multiple of 200 (default 10000; two processes open up to twice as many sockets)
  --small N     clients of the small runs, of the real SDK (default 1000)
  --json FILE   write the result (default .cache/plan-validation/result.json)
  --docs        keep it in docs/benchmarks/plan-validation.json; npm run generate then writes the tables
`;

interface Options {
  readonly rounds: number;
  readonly clients: number;
  readonly small: number;
  readonly json: string;
  readonly docs: boolean;
}

/** Exit status: 0 measured, 2 the arguments are wrong, 3 it could not be carried out. */
async function main(): Promise<number> {
  try {
    const options = optionsFrom(process.argv.slice(2));
    if (options === undefined) {
      process.stdout.write(HELP);
      return 0;
    }
    const result = await validate(options);
    for (const path of options.docs ? [options.json, DOCS] : [options.json])
      await write(path, result);
    for (const { run, name, predicted, measured } of result.figures)
      line(
        `${run}: ${name}: predicted ${series(predicted).median.toFixed(2)}, measured ${series(measured).median.toFixed(2)}`,
      );
    return 0;
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return error.code === "argument_invalid" ? 2 : 3;
  }
}

async function validate({ rounds, clients, small }: Options): Promise<ValidationResult> {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const measuredAt = new Date().toISOString();
  const [loadBefore = 0] = loadavg();
  const ground = await ValidationGround.prepare(FOLDER);
  const stop = () => void ground.close().then(() => process.exit(130));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  try {
    line("costs of handshakes");
    const costs = await measureCosts(ground);
    const calibration = { ...CALIBRATION, ...costs };
    const all: (readonly Figure[])[] = [];
    for (let round = 1; round <= rounds; round++) {
      const say = (text: string): void => line(`round ${round}: ${text}`);
      const large = { ground, calibration, clients, say };
      const storms = await stormRuns(large);
      const roll = await rollingDeployRun(large);
      say(`${small} clients of the SDK`);
      all.push([
        ...(await smallRuns({
          calibration,
          folder: FOLDER,
          clients: small,
          startMs: roll.startMs,
        })),
        ...storms,
        ...roll.figures,
      ]);
    }
    const figures = mergedFigures(all);
    return {
      measuredAt,
      machine: machine(),
      versions: { bun: Bun.version },
      rounds,
      loadBefore,
      costs,
      figures,
    };
  } finally {
    await ground.close();
  }
}

function optionsFrom(args: readonly string[]): Options | undefined {
  const text = { type: "string" } as const;
  const { values } = read(() =>
    parseArgs({
      args: [...args],
      options: {
        rounds: text,
        clients: text,
        small: text,
        json: text,
        docs: { type: "boolean" },
        help: { type: "boolean" },
      },
    }),
  );
  if (values.help === true) return undefined;
  const clients = whole("clients", values.clients, 10_000, 10_000);
  if (clients % 200 !== 0)
    throw new BenchError(
      "argument_invalid",
      `Cannot use --clients ${clients}: expected a multiple of 200`,
    );
  return {
    rounds: whole("rounds", values.rounds, 1, 20),
    clients,
    small: Math.max(30, whole("small", values.small, 1000, 5000)),
    json: values.json ?? join(FOLDER, "result.json"),
    docs: values.docs === true,
  };
}

function whole(name: string, text: string | undefined, standard: number, most: number): number {
  const value = text === undefined ? standard : Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new BenchError(
    "argument_invalid",
    `Cannot use --${name} ${text}: expected a whole number from 1 to ${most}`,
  );
}

function read<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new BenchError(
      "argument_invalid",
      error instanceof Error ? error.message : String(error),
    );
  }
}

async function write(path: string, result: ValidationResult): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  await Bun.write(path, `${JSON.stringify(result, null, 2)}\n`);
}

const line = (text: string): void => void process.stdout.write(`${text}\n`);

process.exit(await main());
