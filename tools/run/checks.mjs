// Owns: the checks that need no service: types, lint and format, the style guide, generated files.
// Each is one pass or one failure.
import { join } from "node:path";
import { capture, endAll } from "./child.mjs";
import { ROOT } from "./root.mjs";
import { measureSlowness } from "./slowness.mjs";

const CHECK_TIMEOUT_MS = 120_000;

/** @typedef {{ name: string, file: string, args: string[] }} Check */

/** @param {string} bun @returns {Check[]} */
function checks(bun) {
  const bin = (/** @type {string} */ path) => join(ROOT, "node_modules", path);
  return [
    { name: "types", file: process.execPath, args: [bin("typescript/bin/tsc"), "-b"] },
    {
      name: "types of tests",
      file: process.execPath,
      args: [bin("typescript/bin/tsc"), "-p", "tsconfig.tests.json"],
    },
    {
      name: "lint and format",
      file: process.execPath,
      args: [bin("@biomejs/biome/bin/biome"), "ci", "--colors=off", "."],
    },
    { name: "style guide", file: bun, args: ["tools/tidy.ts"] },
    { name: "generated files in step", file: bun, args: ["tools/generate.ts", "--check"] },
  ];
}

/**
 * Runs every check, also after a failure, and prints one line for each and the output of those that
 * failed.
 * @param {string} bun
 * @returns {Promise<import("./results.mjs").Counts>}
 */
export async function countChecks(bun) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const timeoutMs = CHECK_TIMEOUT_MS * (await measureSlowness());
  for (const check of checks(bun)) {
    const run = await capture(check.file, check.args, { timeoutMs });
    const ok = run.code === 0;
    counts[ok ? "passed" : "failed"] += 1;
    console.log(
      `  ${ok ? "ok    " : "FAILED"} ${check.name} (${(run.ms / 1000).toFixed(1)} s)${run.timedOut ? ", out of time" : ""}`,
    );
    if (!ok) console.log(run.output.trimEnd().replaceAll(/^/gm, "    "));
  }
  return counts;
}

/** @param {string} bun @returns {Promise<number>} exit status */
export async function runChecks(bun) {
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.once(signal, () => {
      endAll();
      process.exit(130);
    });
  }
  const { passed, failed } = await countChecks(bun);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}
