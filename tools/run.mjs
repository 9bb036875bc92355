#!/usr/bin/env node
// Owns: the commands of `npm run`: start, test, check, build, simulate, mutate, prove, bench:micro,
// bench:compare, plan:validate, image:build, image:check, cluster, example:gateway, generate,
// release. Plain Node, because nothing else is installed on a fresh clone.
import { buildClient } from "./run/build.mjs";
import { runChecks } from "./run/checks.mjs";
import { passOn } from "./run/child.mjs";
import { proveOnCluster, runCluster } from "./run/cluster.mjs";
import { proveGateway } from "./run/gateway-proof.mjs";
import { ensureInstalled, findBun, SetupError } from "./run/install.mjs";
import { benchTelemetry, isTelemetryBench } from "./run/telemetry-bench.mjs";
import { proveTelemetry } from "./run/telemetry-proof.mjs";
import { runTests } from "./run/tests.mjs";

/** Stages that `npm run test:cluster` runs if it is asked for them. @type {Record<string, string[]>} */
const CLUSTER_STAGES = { "cluster,--keda": ["keda"], "cluster,--policies": ["policies"] };

/** @type {Record<string, (bun: string, args: string[]) => Promise<number>>} */
const COMMANDS = {
  start: (bun, args) => passOn(bun, ["apps/holdfast/src/main.ts", "dev", ...args]),
  test: (bun, args) => runTests(bun, CLUSTER_STAGES[args.join()] ?? args),
  check: (bun) => runChecks(bun),
  build: (bun) => buildClient(bun),
  mutate: (bun, args) => passOn(bun, ["tools/mutate/mutate.ts", ...args]),
  simulate: (bun, args) => passOn(bun, ["test/sim/simulate.ts", ...args]),
  prove: (bun, args) => {
    if (args.includes("--cluster")) return proveOnCluster(bun, args);
    if (args.includes("--gateway")) return proveGateway(bun, args);
    if (args.includes("--telemetry")) return proveTelemetry(bun, args);
    return passOn(bun, ["lab/prove.ts", ...args]);
  },
  "bench:micro": (bun, args) => passOn(bun, ["lab/micro.ts", ...args]),
  "plan:validate": (bun, args) => passOn(bun, ["lab/plan-validate.ts", ...args]),
  "image:build": (bun, args) => passOn(bun, ["tools/image/build.ts", ...args]),
  "image:check": (bun, args) => passOn(bun, ["tools/image/check.ts", ...args]),
  "bench:compare": (bun, args) =>
    isTelemetryBench(args) ? benchTelemetry(bun, args) : passOn(bun, ["lab/compare.ts", ...args]),
  cluster: runCluster,
  "example:gateway": (bun, args) => passOn(bun, ["examples/behind-the-gateway/main.ts", ...args]),
  generate: (bun, args) => passOn(bun, ["tools/generate.ts", ...args]),
  release: (bun, args) => passOn(bun, ["tools/release/release.ts", ...args]),
};

async function main() {
  const [name = "", ...args] = process.argv.slice(2);
  const command = Object.entries(COMMANDS).find(([known]) => known === name)?.[1];
  if (command === undefined) {
    console.error(`usage: node tools/run.mjs ${Object.keys(COMMANDS).join(" | ")}`);
    return 2;
  }
  try {
    await ensureInstalled();
    return await command(await findBun(), args);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`\n${error.message}`);
    return 1;
  }
}

process.exitCode = await main();
