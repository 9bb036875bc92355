// Owns: the program behind `npm run bench:micro`: runs the rounds, writes the result and its table.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { BenchError } from "./micro/bench-error.ts";
import { Child } from "./micro/child.ts";
import { PEERS, type Rival } from "./micro/dialects.ts";
import { measureRound, type Round } from "./micro/measure.ts";
import { type Plan, planFrom } from "./micro/plan.ts";
import { reportOf } from "./micro/report.ts";
import { resultOf } from "./micro/result.ts";

const HERE = join(import.meta.dir, "micro");
const ROOT = join(import.meta.dir, "..");
const CACHE = join(ROOT, ".cache/bench");

const plan = planFrom(process.argv.slice(2));
if (plan !== undefined) await run(plan);

async function run(plan: Plan): Promise<void> {
  const servers = await serverCommands();
  const driver = [process.execPath, join(HERE, "driver.ts")];
  const rounds: Record<Rival, Round[]> = { bun: [], socketio: [], holdfast: [] };
  for (let round = 1; round <= plan.rounds; round++) {
    for (const rival of PEERS) {
      process.stderr.write(`round ${round} of ${plan.rounds}: ${rival}\n`);
      rounds[rival].push(await measureRound(plan, rival, { server: servers[rival], driver }));
    }
  }
  const result = resultOf(plan, rounds, await versionsOf(servers));
  const folder = plan.quick ? CACHE : join(ROOT, "docs/benchmarks");
  await mkdir(folder, { recursive: true });
  await Bun.write(join(folder, "micro.json"), `${JSON.stringify(result, null, 2)}\n`);
  await Bun.write(join(folder, "micro.md"), reportOf(result));
  process.stdout.write(plan.json ? `${JSON.stringify(result)}\n` : reportOf(result));
  const wrong = Object.values(result.rivals).some((rival) =>
    Object.values(rival.fanOuts).some((fanOut) => fanOut.wrong !== 0),
  );
  if (wrong) {
    process.stderr.write("Messages were lost, doubled or misdirected: the figures mean nothing.\n");
    process.exitCode = 1;
  }
}

/**
 * How each server is started. Socket.IO's is bundled first, because Node 20 reads no TypeScript.
 */
async function serverCommands(): Promise<Record<Rival, readonly string[]>> {
  const bundle = join(CACHE, "socket-io.mjs");
  const built = await Bun.build({
    entrypoints: [join(HERE, "rivals/socket-io.ts")],
    target: "node",
    packages: "external",
  });
  const [output] = built.outputs;
  if (output === undefined)
    throw new BenchError("server_unusable", "Cannot bundle the Socket.IO server");
  await Bun.write(bundle, await output.text());
  return {
    bun: [process.execPath, join(HERE, "rivals/bare-bun.ts")],
    socketio: ["node", "--expose-gc", bundle],
    holdfast: [process.execPath, join(HERE, "rivals/holdfast.ts")],
  };
}

async function versionsOf(
  servers: Readonly<Record<Rival, readonly string[]>>,
): Promise<Record<Rival, string>> {
  const version = async (rival: Rival) => {
    const child = await Child.start(servers[rival]);
    await child.stop();
    return String(child.hello.version);
  };
  return {
    bun: await version("bun"),
    socketio: await version("socketio"),
    holdfast: await version("holdfast"),
  };
}
