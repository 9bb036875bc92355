// Owns: `npm run mutate`: a sample of mutants, the tests against each, and those that survived.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Glob } from "bun";
import { type Mutant, mutantsOf, mutated } from "./mutants.ts";
import { report } from "./report.ts";
import { run, runsFor, SCOPES, test } from "./tests.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CACHE = `${ROOT}.cache/mutate.json`;
/** A run may take this many times as long as without a mutant, and this much more. */
const LIMIT_FACTOR = 4;
const LIMIT_MORE_MS = 10_000;
/** The run without a mutant must end in this time. */
const FIRST_LIMIT_MS = 300_000;

const { values: flags } = parseArgs({
  options: {
    count: { type: "string", default: "150" },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    workers: { type: "string", default: "2" },
    survivorsMax: { type: "string", default: "15" },
    fresh: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

const isSource = (path: string): boolean =>
  !/\.test\.ts$|\/index\.ts$|\/testing\//.test(path) && path.includes(flags.only);

const sources = new Map(
  SCOPES.flatMap(({ path }) => [...new Glob(`${path}/**/*.ts`).scanSync(ROOT)])
    .filter(isSource)
    .sort()
    .map((path) => [path, readFileSync(ROOT + path, "utf8")]),
);

/**
 * The first `count` of all mutants in an order that the seed decides. Each has its place by itself:
 * other mutants that come or go leave it where it is.
 */
function sampled(): readonly Mutant[] {
  const seen = new Map<string, number>();
  const drawn = [...sources].flatMap(([path, source]) =>
    mutantsOf(path, source).map((mutant) => {
      const name = `${flags.seed} ${path} ${mutant.what}`;
      const nth = (seen.get(name) ?? 0) + 1;
      seen.set(name, nth);
      return { mutant, at: createHash("sha256").update(`${name} ${nth}`).digest("hex") };
    }),
  );
  drawn.sort((a, b) => (a.at < b.at ? -1 : 1));
  return drawn.slice(0, Number(flags.count)).map(({ mutant }) => mutant);
}

/** Files with a mutant in them that some run noticed; tests that are taken away do not count. */
const killed = new Map<string, string>(
  existsSync(CACHE) && !flags.fresh ? JSON.parse(readFileSync(CACHE, "utf8")) : [],
);

async function limits(mutants: readonly Mutant[]): Promise<ReadonlyMap<string, number>> {
  const runs = new Map(
    mutants.flatMap(({ path }) => runsFor(path)).map((args) => [args.join(" "), args]),
  );
  const found = new Map<string, number>();
  for (const [name, args] of runs) {
    const startedMs = performance.now();
    const ending = await run(args, { root: ROOT, limitMs: FIRST_LIMIT_MS });
    // A folder without tests fails at once: the wider runs decide.
    const tookMs = performance.now() - startedMs;
    if (ending === "passed") found.set(name, tookMs * LIMIT_FACTOR + LIMIT_MORE_MS);
    else if (!hasNoTests(args))
      throw new RangeError(`Cannot mutate: bun ${name} ${ending} without a mutant`);
  }
  return found;
}

const hasNoTests = ([command, folder = ""]: readonly string[]): boolean =>
  command === "test" && [...new Glob("**/*.test.ts").scanSync(ROOT + folder)].length === 0;

async function main(): Promise<number> {
  const mutants = sampled();
  if (flags.list) {
    for (const { path, line, what } of mutants) console.log(`${path}:${line} ${what}`);
    return 0;
  }
  const keyOf = (mutant: Mutant): string =>
    createHash("sha256")
      .update(mutant.path)
      .update(mutated(sources.get(mutant.path) ?? "", mutant))
      .digest("base64");
  const open = mutants.filter((mutant) => !killed.has(keyOf(mutant)));
  const limitOf = await limits(open);
  const survivors: Mutant[] = [];
  const queue = [...open];
  const work = async (): Promise<void> => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const { killedBy } = await test(mutant, {
        root: ROOT,
        source: sources.get(mutant.path) ?? "",
        limitOf: (name) => limitOf.get(name) ?? 0,
      });
      if (killedBy === undefined) {
        survivors.push(mutant);
        console.log(`survives  ${mutant.path}:${mutant.line}  ${mutant.what}`);
      } else killed.set(keyOf(mutant), killedBy);
    }
  };
  await Promise.all(Array.from({ length: Number(flags.workers) }, work));
  mkdirSync(`${ROOT}.cache`, { recursive: true });
  writeFileSync(CACHE, JSON.stringify([...killed]));
  console.log(report(mutants, survivors));
  return survivors.length * 100 > Number(flags.survivorsMax) * mutants.length ? 1 : 0;
}

process.exitCode = await main();
