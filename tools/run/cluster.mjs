// Owns: the Kubernetes of the cluster tests: its programs are built while other stages run; it is
// started for its stage and ended after it.
import { spawnSync } from "node:child_process";
import { capture, passOn } from "./child.mjs";
import { ensureChartTools } from "./helm.mjs";
import { SetupError } from "./install.mjs";
import { ensureServers } from "./redis.mjs";
import { ROOT } from "./root.mjs";

const PROGRAM = "tools/cluster/cluster.ts";
/** Fourteen minutes of both cores on a machine where nothing is cached. */
const BUILD_TIMEOUT_MS = 60 * 60_000;
const START_TIMEOUT_MS = 10 * 60_000;
const IMAGES_TIMEOUT_MS = 10 * 60_000;
/** Scheduled behind everything else (sched(7), autogroup). */
const LAST = "19";

/** @typedef {import("./child.mjs").Captured} Captured */

/**
 * `npm run cluster -- ...`; the images have a server of the trial broker in them.
 * @param {string} bun
 * @param {string[]} args
 */
export async function runCluster(bun, args) {
  /** @type {Record<string, string>} */
  let env = {};
  if (args[0] === "images") {
    const servers = await ensureServers();
    if (!servers.ok) throw new SetupError(servers.message);
    env = servers.env;
  }
  return await passOn(bun, [PROGRAM, ...args], { env });
}

/**
 * `npm run prove -- --cluster ...`: the cluster runs meanwhile, with the images of this clone.
 * @param {string} bun
 * @param {string[]} args
 */
export async function proveOnCluster(bun, args) {
  const program = ["lab/prove.ts", ...args];
  if (args.includes("--help")) return await passOn(bun, program);
  const building = buildCluster(bun);
  const [servers, tools] = await Promise.all([ensureServers(), ensureChartTools()]);
  if (!servers.ok) throw new SetupError(servers.message);
  if (!tools.ok) throw new SetupError(tools.message);
  const cluster = await ensureCluster(bun, building, servers.env);
  if (!cluster.ok) throw new SetupError(cluster.message);
  try {
    const { output } = await capture(bun, [PROGRAM, "env"]);
    const said = Object.fromEntries(
      output
        .trim()
        .split("\n")
        .map((line) => line.split("=", 2)),
    );
    return await passOn(bun, program, { env: { ...tools.env, ...said } });
  } finally {
    await cluster.end();
  }
}

/**
 * Builds the cluster's programs behind everything else that runs. One that is there already costs
 * nothing.
 * @param {string} bun
 * @returns {Promise<Captured>}
 */
export function buildCluster(bun) {
  const command = `echo ${LAST} > /proc/self/autogroup; exec nice -n ${LAST} "$0" ${PROGRAM} build`;
  return capture("sh", ["-c", `{ ${command}; } 2>&1`, bun], { timeoutMs: BUILD_TIMEOUT_MS });
}

/** Ends a cluster that `ensureCluster` started; set while one runs. @type {(() => void) | undefined} */
let endAtOnce;

/** For a run that is interrupted. */
export function endClusterNow() {
  endAtOnce?.();
}

/**
 * Starts the cluster and brings the images of this clone. One that runs already is used and left.
 * @param {string} bun
 * @param {Promise<Captured>} building
 * @param {Record<string, string>} env names the servers for the images
 * @returns {Promise<{ ok: true, end: () => Promise<void> } | { ok: false, message: string }>}
 */
export async function ensureCluster(bun, building, env) {
  const built = await building;
  if (built.code !== 0)
    return { ok: false, message: `the cluster's programs could not be built:\n${built.output}` };
  const ranBefore = (await capture(bun, [PROGRAM, "status"])).code === 0;
  if (!ranBefore) endAtOnce = () => spawnSync(bun, [PROGRAM, "down"], { cwd: ROOT });
  const end = async () => {
    if (!ranBefore) await capture(bun, [PROGRAM, "down"]);
    endAtOnce = undefined;
  };
  for (const [args, timeoutMs] of /** @type {const} */ ([
    [["up"], START_TIMEOUT_MS],
    [["images"], IMAGES_TIMEOUT_MS],
  ])) {
    const run = await capture(bun, [PROGRAM, ...args], { timeoutMs, env });
    if (run.code === 0) continue;
    await end();
    return { ok: false, message: `cluster ${args.join(" ")} failed:\n${run.output}` };
  }
  return { ok: true, end };
}

/** What stands on the cluster for some tests alone: KEDA, and what makes NetworkPolicies hold. */
export const CLUSTER_PARTS = /** @type {const} */ (["keda", "policies"]);

/**
 * Brings a part onto the cluster that runs. Its programs are built first, if they are missing.
 * @param {string} bun
 * @param {typeof CLUSTER_PARTS[number]} part
 * @returns {Promise<{ ok: true, end: () => Promise<void> } | { ok: false, message: string }>}
 */
export async function ensureClusterPart(bun, part) {
  for (const [what, timeoutMs] of /** @type {const} */ ([
    ["build", BUILD_TIMEOUT_MS],
    ["up", START_TIMEOUT_MS],
  ])) {
    const run = await capture(bun, [PROGRAM, part, what], { timeoutMs });
    if (run.code !== 0)
      return { ok: false, message: `cluster ${part} ${what} failed:\n${run.output}` };
  }
  const end = async () => {
    await capture(bun, [PROGRAM, part, "down"], { timeoutMs: START_TIMEOUT_MS });
  };
  return { ok: true, end };
}
