// Owns: where Prometheus' programs are: from the environment, from PATH, or from where `npm test`
// put them.
import { join } from "node:path";
import { findExecutable } from "../../tools/run/debian.mjs";

export const ROOT = join(import.meta.dir, "../..");
const VARIABLES = { prometheus: "PROMETHEUS", promtool: "PROMTOOL" } as const;

/** Path of a program. Throws when there is none: a test that needs it must not pass without it. */
export function findProgram(name: keyof typeof VARIABLES): string {
  const found = findExecutable(name, process.env[VARIABLES[name]], join(ROOT, ".cache/prometheus"));
  if (found === undefined)
    throw new Error(
      `${name} was not found: install Prometheus, or name it in ${VARIABLES[name]}; npm test fetches it on Debian`,
    );
  return found;
}

/** Runs promtool and answers what it said, whatever its exit status. */
export async function promtool(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly output: string }> {
  const run = Bun.spawn([findProgram("promtool"), ...args], {
    cwd: ROOT,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(run.stdout).text(),
    new Response(run.stderr).text(),
  ]);
  return { code: await run.exited, output: out + err };
}
