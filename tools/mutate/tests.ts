// Owns: running tests against a mutant: the nearest first, each within its time.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Mutant, mutated } from "./mutants.ts";

/** What is mutated, and what is run besides the tests in the file's own folder. */
export interface Scope {
  readonly path: string;
  readonly wider: readonly (readonly string[])[];
}

const SIMULATION = ["test/sim/simulate.ts", "--seeds", "40", "--failures", "1", "--no-shrink"];

export const SCOPES: readonly Scope[] = [
  { path: "packages/core/src", wider: [["test", "packages/core"], SIMULATION] },
  {
    path: "packages/client/src/engine",
    wider: [["test", "packages/client/src"], SIMULATION],
  },
  { path: "packages/server/src/auth", wider: [] },
];

/** The runs for a file, in their order. */
export function runsFor(path: string): readonly (readonly string[])[] {
  const scope = SCOPES.find((known) => path.startsWith(`${known.path}/`));
  const nearest = ["test", `./${dirname(path)}/`];
  return [nearest, ...(scope?.wider ?? [])];
}

/** Passed, failed, or did not end in time. */
export type Ending = "passed" | "failed" | "late";

interface RunOptions {
  readonly root: string;
  readonly limitMs: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** One run of Bun. Its whole group of processes is ended when the time is over. */
export function run(args: readonly string[], { root, limitMs, env }: RunOptions): Promise<Ending> {
  return new Promise((resolve) => {
    const [command, ...rest] = args;
    const preload = ["--preload", "./tools/mutate/preload.ts"];
    const line =
      command === "test" ? ["test", ...preload, "--bail", ...rest] : [...preload, ...args];
    const child = spawn(process.execPath, line, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: "ignore",
      detached: true,
    });
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    }, limitMs);
    child.on("error", () => {});
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve(isLate ? "late" : code === 0 ? "passed" : "failed");
    });
  });
}

/** How a mutant ended: the first run that noticed, or none. */
export interface Fate {
  readonly killedBy: string | undefined;
  readonly ending: Ending;
}

/** `limitOf`: ms for each run. */
export async function test(
  mutant: Mutant,
  options: { readonly root: string; readonly source: string; limitOf(args: string): number },
): Promise<Fate> {
  const { root, source, limitOf } = options;
  const folder = mkdtempSync(join(tmpdir(), "mutant-"));
  const text = join(folder, "mutant.ts");
  writeFileSync(text, mutated(source, mutant));
  const env = { MUTANT_PATH: mutant.path, MUTANT_TEXT: text };
  try {
    for (const args of runsFor(mutant.path)) {
      const name = args.join(" ");
      const ending = await run(args, { root, limitMs: limitOf(name), env });
      if (ending !== "passed") return { killedBy: name, ending };
    }
    return { killedBy: undefined, ending: "passed" };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
