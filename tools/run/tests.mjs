// Owns: the whole test run: set-up, stages in order, counts, the last line.
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { CLIENT_BUILD, PACKAGES_BUILD } from "./build.mjs";
import { countChecks } from "./checks.mjs";
import { capture, endAll } from "./child.mjs";
import { ensureChromium } from "./chromium.mjs";
import {
  buildCluster,
  CLUSTER_PARTS,
  endClusterNow,
  ensureCluster,
  ensureClusterPart,
} from "./cluster.mjs";
import { ensureChartTools } from "./helm.mjs";
import { ensureKafka } from "./kafka.mjs";
import { ensureLanguages } from "./languages.mjs";
import { ensureLua } from "./lua.mjs";
import { ensureMosquitto, ensureMosquittoClients } from "./mosquitto.mjs";
import { ensureNats } from "./nats.mjs";
import { ensurePostgres } from "./postgres.mjs";
import { ensurePrometheus } from "./prometheus.mjs";
import { ensureServers } from "./redis.mjs";
import { countBun, countNode, sum } from "./results.mjs";
import { ROOT } from "./root.mjs";
import { measureSlowness } from "./slowness.mjs";
import { discoverStages } from "./stages.mjs";
import { ensureRivals } from "./telemetry-bench.mjs";

/** @typedef {import("./results.mjs").Counts} Counts */
/** @typedef {import("./stages.mjs").Stage} Stage */

const RESULTS = join(ROOT, ".cache/test");
const STILL_RUNNING_MS = 20_000;
/** From here on the run says how slow the machine is. */
const SLOWNESS_SAID = 1.5;
/** Lines of a failed stage that are printed; the file named there has all. */
const LINES_SHOWN_MAX = 120;

/**
 * Runs everything, or the named stages alone and without the checks, and prints, last, `N passed, M
 * failed`.
 * @param {string} bun
 * @param {string[]} [names]
 * @returns {Promise<number>} exit status: 0 when nothing failed, 2 for a stage that does not exist
 */
export async function runTests(bun, names = []) {
  const startedMs = Date.now();
  const stages = discoverStages(ROOT);
  const unknown = names.find((name) => stages.every((stage) => stage.name !== name));
  if (unknown !== undefined) {
    console.error(
      `Cannot run the tests of ${unknown}: expected ${stages.map((stage) => stage.name).join(", ")}`,
    );
    return 2;
  }
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.once(signal, () => {
      endAll();
      endClusterNow();
      console.log("interrupted");
      process.exit(130);
    });
  }
  rmSync(RESULTS, { recursive: true, force: true });
  mkdirSync(RESULTS, { recursive: true });
  /** @type {Counts[]} */
  const all = [];
  if (names.length === 0) {
    console.log("check");
    all.push(await countChecks(bun));
  }
  const chosen = stages.filter(({ name, onlyByName }) =>
    names.length === 0 ? !onlyByName : names.includes(name),
  );
  const building = chosen.some(({ needs }) => needs.includes("cluster"))
    ? buildCluster(bun)
    : undefined;
  for (const stage of chosen) all.push(await runStage(bun, stage, building));
  const { passed, failed, skipped } = sum(all);
  console.log(`${skipped} skipped; ${((Date.now() - startedMs) / 1000).toFixed(0)} s in all`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/**
 * @param {string} bun
 * @param {Stage} stage
 * @param {ReturnType<typeof buildCluster> | undefined} building
 * @returns {Promise<Counts>}
 */
async function runStage(bun, stage, building) {
  console.log(stage.name);
  if (stage.problem !== undefined) return failure(stage.problem);
  /** @type {Record<string, string>} */
  const env = { CI: process.env.CI ?? "" };
  if (stage.needs.includes("client")) {
    const build = await capture(bun, [CLIENT_BUILD], { timeoutMs: 60_000 });
    if (build.code !== 0) return failure(`the client could not be built:\n${build.output}`);
  }
  if (stage.needs.includes("packages")) {
    const pack = await capture(bun, PACKAGES_BUILD, { timeoutMs: 180_000 });
    if (pack.code !== 0) return failure(`the packages could not be packed:\n${pack.output}`);
  }
  if (stage.needs.includes("chromium")) {
    const chromium = await ensureChromium();
    if (!chromium.ok) return failure(chromium.message);
    env.CHROMIUM = chromium.path;
  }
  if (stage.needs.includes("servers")) {
    const servers = await ensureServers();
    if (!servers.ok) return failure(servers.message);
    Object.assign(env, servers.env);
  }
  if (stage.needs.includes("prometheus")) {
    const prometheus = await ensurePrometheus();
    if (!prometheus.ok) return failure(prometheus.message);
    Object.assign(env, prometheus.env);
  }
  if (stage.needs.includes("lua")) {
    const lua = await ensureLua();
    if (!lua.ok) return failure(lua.message);
    Object.assign(env, lua.env);
  }
  if (stage.needs.includes("languages")) {
    const languages = await ensureLanguages();
    if (!languages.ok) return failure(languages.message);
    Object.assign(env, languages.env);
  }
  if (stage.needs.includes("mosquitto")) {
    const mosquitto = await ensureMosquitto();
    if (!mosquitto.ok) return failure(mosquitto.message);
    Object.assign(env, mosquitto.env);
  }
  if (stage.needs.includes("nats")) {
    const nats = await ensureNats();
    if (!nats.ok) return failure(nats.message);
    Object.assign(env, nats.env);
  }
  if (stage.needs.includes("kafka")) {
    const kafka = await ensureKafka();
    if (!kafka.ok) return failure(kafka.message);
    Object.assign(env, kafka.env);
  }
  if (stage.needs.includes("rivals")) {
    const rivals = await ensureRivals();
    if (!rivals.ok) return failure(rivals.message);
    Object.assign(env, rivals.env);
  }
  if (stage.needs.includes("postgres")) {
    const postgres = await ensurePostgres();
    if (!postgres.ok) return failure(postgres.message);
    Object.assign(env, postgres.env);
  }
  if (stage.needs.includes("mosquitto-clients")) {
    const clients = await ensureMosquittoClients();
    if (!clients.ok) return failure(clients.message);
    Object.assign(env, clients.env);
  }
  if (stage.needs.includes("helm")) {
    const tools = await ensureChartTools();
    if (!tools.ok) return failure(tools.message);
    Object.assign(env, tools.env);
  }
  let endCluster = async () => {};
  if (stage.needs.includes("cluster")) {
    if (building === undefined) return failure("the cluster's programs are not being built");
    const ready = progressing();
    const cluster = await ensureCluster(bun, building, env);
    ready();
    if (!cluster.ok) return failure(cluster.message);
    endCluster = cluster.end;
  }
  for (const part of CLUSTER_PARTS.filter((one) => stage.needs.includes(one))) {
    const ready = progressing();
    const started = await ensureClusterPart(bun, part);
    ready();
    if (!started.ok) {
      await endCluster();
      return failure(started.message);
    }
    const end = endCluster;
    endCluster = async () => {
      await started.end();
      await end();
    };
  }
  const slowness = await measureSlowness();
  env.TEST_SLOWNESS = slowness.toFixed(2);
  if (slowness >= SLOWNESS_SAID)
    console.log(
      `  the machine is ${slowness.toFixed(1)} times slower than quiet: so are the limits`,
    );
  const patient = {
    ...stage,
    timeoutMs: Math.round(stage.timeoutMs * slowness),
    testTimeoutMs: Math.round(stage.testTimeoutMs * slowness),
  };
  const done = progressing();
  /** @type {Counts[]} */
  const counts = [];
  if (stage.bunPaths.length > 0) counts.push(await runBun(bun, patient, env));
  if (stage.nodeFiles.length > 0) counts.push(await runNode(patient, env));
  done();
  await endCluster();
  return sum(counts);
}

/** Says from time to time that it goes on, until the result is called. */
function progressing() {
  const startedMs = Date.now();
  const progress = setInterval(
    () => console.log(`  ... ${((Date.now() - startedMs) / 1000).toFixed(0)} s`),
    STILL_RUNNING_MS,
  );
  return () => clearInterval(progress);
}

/**
 * @param {string} bun
 * @param {Stage} stage
 * @param {Record<string, string>} env
 * @returns {Promise<Counts>}
 */
async function runBun(bun, stage, env) {
  const results = join(RESULTS, `${stage.name}.xml`);
  const parallel = stage.parallel ? [`--parallel=${Math.min(4, availableParallelism())}`] : [];
  const args = [
    "test",
    ...stage.bunPaths,
    ...parallel,
    `--timeout=${stage.testTimeoutMs}`,
    "--reporter=junit",
    `--reporter-outfile=${results}`,
  ];
  const log = join(RESULTS, `${stage.name}.log`);
  const run = await capture(bun, args, { timeoutMs: stage.timeoutMs, log, env });
  const junit = existsSync(results) ? readFileSync(results, "utf8") : undefined;
  return report(run, countBun({ junit, output: run.output, code: run.code }), log);
}

/** @param {Stage} stage @param {Record<string, string>} env @returns {Promise<Counts>} */
async function runNode(stage, env) {
  const log = join(RESULTS, `${stage.name}-node.log`);
  const run = await capture(
    process.execPath,
    ["--test", "--test-reporter=tap", ...stage.nodeFiles],
    {
      timeoutMs: stage.timeoutMs,
      log,
      env,
    },
  );
  return report(run, countNode(run), log);
}

/**
 * @param {import("./child.mjs").Captured} run
 * @param {Counts} counts
 * @param {string} log
 * @returns {Counts}
 */
function report(run, counts, log) {
  const notes = [
    counts.skipped > 0 ? `, ${counts.skipped} skipped` : "",
    run.timedOut ? ", out of time" : "",
  ].join("");
  console.log(
    `  ${counts.failed === 0 ? "ok    " : "FAILED"} ${counts.passed} passed, ${counts.failed} failed${notes} (${(run.ms / 1000).toFixed(1)} s)`,
  );
  if (counts.failed > 0) {
    const lines = run.output.split("\n").filter((line) => !/^\s*(\(pass\)|ok \d+)/.test(line));
    console.log(lines.slice(-LINES_SHOWN_MAX).join("\n").replaceAll(/^/gm, "    "));
    console.log(`    all of it: ${log}`);
  }
  return counts;
}

/** @param {string} message @returns {Counts} */
function failure(message) {
  console.log(`  FAILED ${message}`);
  return { passed: 0, failed: 1, skipped: 0 };
}
