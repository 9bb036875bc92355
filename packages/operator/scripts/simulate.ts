// Owns: running the simulation of decisions by hand:
// `npx bun packages/operator/scripts/simulate.ts --from 1 --seeds 5000 [--trace] [--strategy Canary]`.
import type { Strategy } from "../src/model/desired.ts";
import { runSeed } from "../src/testing/run.ts";

const flag = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : (process.argv[at + 1] ?? "");
};
const from = Number(flag("from") ?? 1);
const seeds = Number(flag("seeds") ?? 1000);
const failures = Number(flag("failures") ?? 5);
const strategy = flag("strategy") as Strategy["kind"] | undefined;
const startedMs = performance.now();
const settled: number[] = [];
let [failed, releases, rollbacks] = [0, 0, 0];
for (let seed = from; seed < from + seeds && failed < failures; seed++) {
  const result = runSeed(seed, {
    ...(strategy === undefined ? {} : { strategy }),
    ...(process.argv.includes("--calm") ? { calm: true } : {}),
    ...(process.argv.includes("--trace") ? { trace: console.log } : {}),
  });
  settled.push(result.settledAfter);
  releases += result.releases;
  rollbacks += result.rollbacks;
  if (result.violations.length === 0) continue;
  failed += 1;
  console.log(`seed ${seed}: ${result.violations.join("\n  ")}`);
}
settled.sort((a, b) => a - b);
const seconds = (performance.now() - startedMs) / 1000;
console.log(
  `${settled.length} seeds, ${failed} failed, ${releases} releases, ${rollbacks} rollbacks, ` +
    `settled after ${settled[settled.length >> 1]} ticks (most ${settled.at(-1)}), ` +
    `${seconds.toFixed(1)} s (${((1000 * seconds) / settled.length).toFixed(0)} ms each)`,
);
process.exitCode = failed === 0 ? 0 : 1;
