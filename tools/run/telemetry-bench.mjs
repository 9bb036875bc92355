// Owns: `npm run bench:compare -- --mqtt` and `-- --pipelines`: programs of others are found,
// fetched or built before.
import { join } from "node:path";
import { capture, passOn } from "./child.mjs";
import { SetupError } from "./install.mjs";
import { ensureMosquitto } from "./mosquitto.mjs";
import { ensureNats } from "./nats.mjs";
import { ensureServers } from "./redis.mjs";
import { ROOT } from "./root.mjs";

const BUILD_TIMEOUT_MS = 10 * 60_000;

/** What runs a comparison by this flag. A server is needed unless `--rivals` leaves it out. */
const NEEDS = [
  { flag: "--mqtt", names: ["mosquitto"], ensure: ensureMosquitto },
  { flag: "--mqtt", names: ["nats"], ensure: ensureNats },
  { flag: "--mqtt", names: ["mochi"], ensure: () => ensureMochi() },
  { flag: "--mqtt", names: ["holdfast-redis"], ensure: ensureServers },
  { flag: "--pipelines", names: ["benthos", "holdfast"], ensure: () => ensureFeed() },
  { flag: "--pipelines", names: ["benthos"], ensure: () => ensureBenthos() },
  { flag: "--pipelines", names: ["holdfast-redis"], ensure: ensureServers },
];

/** @param {string[]} args */
export const isTelemetryBench = (args) => NEEDS.some(({ flag }) => args.includes(flag));

/** @param {string} bun @param {string[]} args */
export async function benchTelemetry(bun, args) {
  const program = ["lab/telemetry-bench.ts", ...args];
  if (args.includes("--help")) return await passOn(bun, program);
  const rivals = args[args.indexOf("--rivals") + 1]?.split(",");
  /** @type {Record<string, string>} */
  const env = {};
  for (const { flag, names, ensure } of NEEDS) {
    if (!args.includes(flag)) continue;
    const isNeeded = (/** @type {string} */ name) => rivals?.some((one) => one.startsWith(name));
    if (args.includes("--rivals") && !names.some(isNeeded)) continue;
    const found = await ensure();
    if (!found.ok) throw new SetupError(`${found.message} (or choose others with --rivals)`);
    Object.assign(env, found.env);
  }
  return await passOn(bun, program, { env });
}

/** The MQTT broker of mochi-mqtt. */
const ensureMochi = () => builtWithGo("mochi", "MOCHI_MQTT");

/** Kafka in memory, with events for pipelines. */
const ensureFeed = () => builtWithGo("kafka-feed", "KAFKA_FEED");
const ensureBenthos = () => builtWithGo("benthos", "BENTHOS");

/**
 * Programs that are built here, for tests.
 * @returns {Promise<{ ok: true, env: Record<string, string> } | { ok: false, message: string }>}
 */
export async function ensureRivals() {
  /** @type {Record<string, string>} */
  const env = {};
  for (const ensure of [ensureMochi, ensureFeed, ensureBenthos]) {
    const found = await ensure();
    if (!found.ok) return found;
    Object.assign(env, found.env);
  }
  return { ok: true, env };
}

/**
 * A program of lab/rivals, built with Go into our own folder, as the environment that names it. Go
 * knows itself what has changed.
 * @param {string} name
 * @param {string} variable
 * @returns {Promise<{ ok: true, env: Record<string, string> } | { ok: false, message: string }>}
 */
async function builtWithGo(name, variable) {
  const program = join(ROOT, ".cache/tools", name);
  const run = await capture("go", ["build", "-o", program, "."], {
    cwd: join(ROOT, "lab/rivals", name),
    timeoutMs: BUILD_TIMEOUT_MS,
    env: { GOFLAGS: "", CGO_ENABLED: "0" },
  });
  if (run.code === 0) return { ok: true, env: { [variable]: program } };
  console.log(run.output.trimEnd());
  return {
    ok: false,
    message: `${name} could not be built. Install Go 1.26 or newer, or one that may fetch it, and its modules`,
  };
}
