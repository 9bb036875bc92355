// Owns: the program behind `npm run prove`: arguments, progress, the result's files, the exit
// status.
import { mkdirSync, rmSync } from "node:fs";
import { loadavg } from "node:os";
import { dirname, join } from "node:path";
import { machine } from "@holdfast/load";
import { ProcessError } from "@holdfast/load/processes";
import { CLUSTER_HELP, clusterPlanFrom } from "./prove/cluster/plan.ts";
import { proveOnCluster } from "./prove/cluster/run-cluster.ts";
import { CLUSTER_STEPS } from "./prove/cluster/steps/cluster-steps.ts";
import { proofDocument, withKept, withoutCharts } from "./prove/document.ts";
import { GATEWAY_HELP, gatewayPlanFrom } from "./prove/gateway/gateway-plan.ts";
import { proveGateways } from "./prove/gateway/gateway-proof.ts";
import { type GatewayProofResult, hasWrongs } from "./prove/gateway/result.ts";
import { HELP, type Plan, planFrom } from "./prove/plan.ts";
import { Proof } from "./prove/proof.ts";
import { ProveError } from "./prove/prove-error.ts";
import { reportPage } from "./prove/report-page.ts";
import { closingText, sideBySideText, stepText } from "./prove/report-text.ts";
import { hasFailed, type ProofResult } from "./prove/result.ts";
import { hasFailures, type TelemetryResult } from "./prove/telemetry/result.ts";
import { TELEMETRY_HELP, telemetryPlanFrom } from "./prove/telemetry/telemetry-plan.ts";
import { proveTelemetry } from "./prove/telemetry/telemetry-proof.ts";
import { closingLines, seenLine } from "./prove/telemetry/telemetry-text.ts";
import { deliveriesOfPublication, workloadOf } from "./prove/workload.ts";

const FOLDER = join(import.meta.dir, "../.cache/prove");
const DOCS = join(import.meta.dir, "../docs");
const EXIT = { holds: 0, failed: 1, refused: 2, unable: 3 } as const;

/**
 * Exit status: 0 the proof succeeds, 1 it fails, 2 the arguments are wrong, 3 it could not be
 * carried out.
 */
async function main(): Promise<number> {
  try {
    const args = process.argv.slice(2);
    if (args.includes("--cluster")) return await onCluster(args);
    if (args.includes("--gateway")) return await ofGateway(args);
    if (args.includes("--telemetry")) return await ofTelemetry(args);
    const plan = planFrom(args);
    if (plan === undefined) {
      process.stdout.write(HELP);
      return EXIT.holds;
    }
    rmSync(FOLDER, { recursive: true, force: true });
    const own = await prove(plan);
    const { against } = plan;
    const result =
      against === undefined ? own : { ...own, against: await prove({ ...plan, rival: against }) };
    await write(plan.json ?? join(FOLDER, "proof.json"), `${JSON.stringify(result)}\n`);
    await write(plan.html ?? join(FOLDER, "proof.html"), reportPage(result));
    if (plan.docs) await writeDocument(result);
    if (result.against !== undefined) line(`\n${sideBySideText(own, result.against)}`);
    line(closingText(own));
    return hasFailed(own) ? EXIT.failed : EXIT.holds;
  } catch (error) {
    if (!(error instanceof ProveError || error instanceof ProcessError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return error.code === "argument_invalid" ? EXIT.refused : EXIT.unable;
  }
}

async function prove(plan: Plan): Promise<ProofResult> {
  const startedMs = performance.now();
  const measuredAt = new Date().toISOString();
  const [loadBefore = 0] = loadavg();
  const folder = join(FOLDER, plan.rival);
  mkdirSync(folder, { recursive: true });
  const workload = workloadOf(plan);
  const subscriptions = workload.clients.reduce((sum, { channels }) => sum + channels.length, 0);
  const perSecond = Math.round(deliveriesOfPublication(workload) * plan.publishesPerSecond);
  line(
    `${plan.rival}: ${plan.clients} clients, ${plan.channels} channels, ${subscriptions} subscriptions, ${plan.publishesPerSecond} publishes/s, about ${perSecond} deliveries/s, ${plan.nodes} nodes, broker ${plan.broker}, seed ${plan.seed}`,
  );
  const proof = new Proof({
    plan,
    folder,
    say: (text) =>
      process.stdout.isTTY ? process.stdout.write(`\r\x1b[K... ${text}`) : line(`... ${text}`),
    onStep: (step) =>
      line(`${process.stdout.isTTY ? "\r\x1b[K" : ""}${stepText(step, plan.handshakesPerSecond)}`),
  });
  const stop = () => void proof.close().then(() => process.exit(130));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const { steps, broker } = await proof.run();
  const result: ProofResult = {
    rival: plan.rival,
    measuredAt,
    clients: plan.clients,
    channels: plan.channels,
    subscriptions,
    publishesPerSecond: plan.publishesPerSecond,
    seed: plan.seed,
    nodes: plan.nodes,
    handshakesPerSecond: plan.handshakesPerSecond,
    broker,
    quick: plan.quick,
    machine: machine(),
    versions: { bun: Bun.version },
    loadBefore,
    steps,
    tookMs: Math.round(performance.now() - startedMs),
  };
  return result;
}

/** The same on a real cluster. */
async function onCluster(args: readonly string[]): Promise<number> {
  const plan = clusterPlanFrom(args);
  if (plan === undefined) {
    process.stdout.write(CLUSTER_HELP);
    return EXIT.holds;
  }
  const json = plan.json ?? join(FOLDER, "cluster.json");
  const keep = (soFar: ProofResult): Promise<void> => write(json, `${JSON.stringify(soFar)}\n`);
  const result = await proveOnCluster(plan, { line, keep });
  await write(plan.html ?? join(FOLDER, "cluster.html"), reportPage(result));
  if (plan.docs) await writeDocument(await besideKept(result), "cluster");
  line(closingText(result));
  return hasFailed(result) ? EXIT.failed : EXIT.holds;
}

/** Clients of other servers behind the gateway. */
async function ofGateway(args: readonly string[]): Promise<number> {
  const plan = gatewayPlanFrom(args);
  if (plan === undefined) {
    process.stdout.write(GATEWAY_HELP);
    return EXIT.holds;
  }
  const folder = join(FOLDER, "gateway");
  const json = plan.json ?? join(FOLDER, "gateway.json");
  const keep = (soFar: GatewayProofResult): Promise<void> =>
    write(json, `${JSON.stringify(soFar, null, 2)}\n`);
  const result = await proveGateways(plan, { folder, line, keep });
  if (plan.docs) {
    await write(join(DOCS, "proof/gateway.json"), `${JSON.stringify(result, null, 2)}\n`);
    await writePage();
  }
  return hasWrongs(result) ? EXIT.failed : EXIT.holds;
}

/** Devices, pipelines and sinks. */
async function ofTelemetry(args: readonly string[]): Promise<number> {
  const plan = telemetryPlanFrom(args);
  if (plan === undefined) {
    process.stdout.write(TELEMETRY_HELP);
    return EXIT.holds;
  }
  const folder = join(FOLDER, "telemetry");
  const result = await proveTelemetry(plan, {
    folder,
    say: progress,
    onSeen: (seen) => line(`${process.stdout.isTTY ? "\r\x1b[K" : ""}${seenLine(seen)}`),
  });
  line(`${process.stdout.isTTY ? "\r\x1b[K" : ""}${closingLines(result)}`);
  await write(plan.json ?? `${folder}.json`, `${JSON.stringify(result, null, 2)}\n`);
  if (plan.docs) {
    await write(join(DOCS, "proof/telemetry.json"), `${JSON.stringify(result, null, 2)}\n`);
    await writePage();
  }
  return hasFailures(result) ? EXIT.failed : EXIT.holds;
}

async function besideKept(result: ProofResult): Promise<ProofResult> {
  const file = Bun.file(join(DOCS, "proof/cluster.json"));
  const kept = (await file.exists()) ? ((await file.json()) as ProofResult) : undefined;
  return withKept(
    result,
    kept,
    CLUSTER_STEPS.map(({ name }) => name),
  );
}

/** Keeps the result and makes the page from what is kept. */
async function writeDocument(result: ProofResult, name?: "cluster"): Promise<void> {
  const [full, side, cluster] = ["full", "side-by-side", "cluster"].map((file) =>
    join(DOCS, "proof", `${file}.json`),
  );
  const own = result.against === undefined ? full : side;
  const kept = name === "cluster" ? cluster : own;
  await write(kept ?? "", `${JSON.stringify(withoutCharts(result), null, 2)}\n`);
  await writePage(result);
}

/** From what is kept. `result`: if no whole run is kept yet. */
async function writePage(result?: ProofResult): Promise<void> {
  const read = async <T>(name: string): Promise<T | undefined> => {
    const file = Bun.file(join(DOCS, "proof", `${name}.json`));
    return (await file.exists()) ? ((await file.json()) as T) : undefined;
  };
  const full = (await read<ProofResult>("full")) ?? result;
  if (full === undefined) return;
  const page = proofDocument(full, {
    sideBySide: await read<ProofResult>("side-by-side"),
    cluster: await read<ProofResult>("cluster"),
    gateway: await read<GatewayProofResult>("gateway"),
    telemetry: await read<TelemetryResult>("telemetry"),
  });
  await write(join(DOCS, "proof.md"), page);
}

async function write(path: string, text: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  await Bun.write(path, text);
}

const line = (text: string): void => void process.stdout.write(`${text}\n`);

/** One line that is written over; nothing where lines stay. */
const progress = (text: string): void =>
  void (process.stdout.isTTY && process.stdout.write(`\r\x1b[K... ${text}`));

process.exit(await main());
