// Owns: running simulations from the command line: `npm run simulate -- --seeds N --from S [--only 0,3] [--trace] [--frames]`.
import { drainMicrotasks } from "bun:jsc";
import { runSeed } from "@holdfast/testkit/sim";
import { flagsOf } from "./flags.ts";
import { report } from "./report.ts";
import { shrink } from "./shrink.ts";

const flags = flagsOf(process.argv.slice(2));
if (typeof flags === "string") {
  console.error(flags);
  process.exit(2);
}

const startedMs = performance.now();
const totals = { messages: 0, gaps: 0, published: 0, reconnects: 0, migrations: 0, drains: 0, events: 0, simulatedMs: 0 };
let failed = 0;
for (let seed = flags.from; seed < flags.from + flags.seeds; seed++) {
  const result = runSeed(seed, {
    settle: drainMicrotasks,
    frames: flags.frames,
    ...(flags.only === undefined ? {} : { only: flags.only }),
    ...(flags.trace ? { trace: console.log } : {}),
  });
  for (const name of ["messages", "gaps", "published", "reconnects", "migrations", "drains"] as const) totals[name] += result.counts[name];
  totals.events += result.events;
  totals.simulatedMs += result.simulatedMs;
  if (result.violations.length === 0) continue;
  failed += 1;
  const kept = flags.only ?? (flags.shrink ? shrink(result, drainMicrotasks) : undefined);
  console.log(report(result, kept));
  if (failed >= flags.failures) break;
}
const seconds = (performance.now() - startedMs) / 1000;
const { messages, published, gaps, reconnects, migrations, drains, events, simulatedMs } = totals;
console.log(
  `${flags.seeds} seeds from ${flags.from}: ${failed} failed. ${(simulatedMs / 3_600_000).toFixed(1)} simulated hours, ${events} events, ` +
    `${published} publishes, ${messages} deliveries, ${gaps} gaps, ${reconnects} reconnects, ${migrations} migrations, ${drains} drains ` +
    `in ${seconds.toFixed(1)} s (${(flags.seeds / seconds).toFixed(0)} seeds/s)`,
);
process.exit(failed === 0 ? 0 : 1);
