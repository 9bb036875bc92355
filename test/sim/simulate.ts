// Owns: running simulations from the command line: `npm run simulate -- --seeds N --from S [--only
// 0,3] [--trace] [--frames]`.
import { drainMicrotasks } from "bun:jsc";
import { type RunOptions, runSeed } from "@holdfast/testkit/sim";
import { type Flags, flagsOf } from "./flags.ts";
import { report } from "./report.ts";
import { shrink } from "./shrink.ts";

const SUMS = ["published", "messages", "gaps", "reconnects", "migrations", "drains"] as const;

function main(flags: Flags): number {
  const startedMs = performance.now();
  const sums: Record<string, number> = {};
  const add = (name: string, count: number): void => {
    sums[name] = (sums[name] ?? 0) + count;
  };
  const options: RunOptions = {
    settle: drainMicrotasks,
    frames: flags.frames,
    ...(flags.only === undefined ? {} : { only: flags.only }),
    ...(flags.trace ? { trace: console.log } : {}),
  };
  let failed = 0;
  let seed = flags.from;
  for (; seed < flags.from + flags.seeds && failed < flags.failures; seed++) {
    const result = runSeed(seed, options);
    for (const name of SUMS) add(name, result.counts[name]);
    add("events", result.events);
    add("simulated hours", result.simulatedMs / 3_600_000);
    if (result.violations.length === 0) continue;
    failed += 1;
    console.log(report(result, flags.only ?? (flags.shrink ? shrink(result, options) : undefined)));
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const ran = seed - flags.from;
  const figures = Object.entries(sums).map(
    ([name, count]) => `${Number.isInteger(count) ? count : count.toFixed(1)} ${name}`,
  );
  console.log(
    `${ran} seeds from ${flags.from}, ${failed} failed: ${figures.join(", ")} in ${seconds.toFixed(1)} s (${(ran / seconds).toFixed(0)} seeds/s)`,
  );
  return failed === 0 ? 0 : 1;
}

const flags = flagsOf(process.argv.slice(2));
if (typeof flags === "string") {
  console.error(flags);
  process.exitCode = 2;
} else process.exitCode = main(flags);
