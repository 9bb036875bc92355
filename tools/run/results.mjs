// Owns: reading how many tests passed and failed from what the test runners wrote.

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/**
 * Counts of a `bun test` run. The file of results has every test, the closing lines also have files
 * that could not be loaded; a run that failed without saying so counts as one failure, and so does
 * one without results.
 * @param {{ junit: string | undefined, output: string, code: number }} run
 * @returns {Counts}
 */
export function countBun({ junit, output, code }) {
  const root = junit === undefined ? undefined : /<testsuites\b[^>]*>/.exec(junit)?.[0];
  const tests = attribute(root, "tests");
  const failures = attribute(root, "failures");
  const skipped = attribute(root, "skipped");
  const reported = Number(/^\s*(\d+) fail$/m.exec(output)?.[1] ?? 0);
  return atLeastOne(
    {
      passed: Math.max(0, tests - failures - skipped),
      failed: Math.max(failures, reported),
      skipped,
    },
    code,
  );
}

/** @param {string | undefined} tag @param {string} name */
function attribute(tag, name) {
  return Number(new RegExp(`\\b${name}="(\\d+)"`).exec(tag ?? "")?.[1] ?? 0);
}

/**
 * Counts of a `node --test` run with its TAP reporter.
 * @param {{ output: string, code: number }} run
 * @returns {Counts}
 */
export function countNode({ output, code }) {
  const count = (/** @type {string} */ name) =>
    Number(new RegExp(`^# ${name} (\\d+)$`, "m").exec(output)?.[1] ?? 0);
  return atLeastOne(
    {
      passed: count("pass"),
      failed: count("fail") + count("cancelled"),
      skipped: count("skipped") + count("todo"),
    },
    code,
  );
}

/** @param {Counts} counts @param {number} code @returns {Counts} */
function atLeastOne(counts, code) {
  const silent = counts.failed === 0 && (code !== 0 || counts.passed + counts.skipped === 0);
  return silent ? { ...counts, failed: 1 } : counts;
}

/** @param {Counts[]} all @returns {Counts} */
export function sum(all) {
  const add = (/** @type {keyof Counts} */ key) =>
    all.reduce((total, counts) => total + counts[key], 0);
  return { passed: add("passed"), failed: add("failed"), skipped: add("skipped") };
}
