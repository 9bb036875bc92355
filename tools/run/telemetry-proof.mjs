// Owns: `npm run prove -- --telemetry`: the servers behind sinks and broker are found, fetched or
// built before.
import { passOn } from "./child.mjs";
import { SetupError } from "./install.mjs";
import { ensureKafka } from "./kafka.mjs";
import { ensurePostgres } from "./postgres.mjs";
import { ensureServers } from "./redis.mjs";

/** @param {string} bun @param {string[]} args */
export async function proveTelemetry(bun, args) {
  const program = ["lab/prove.ts", ...args];
  if (args.includes("--help")) return await passOn(bun, program);
  /** @type {Record<string, string>} */
  const env = {};
  for (const ensure of [ensureServers, ensurePostgres, ensureKafka]) {
    const found = await ensure();
    if (!found.ok) throw new SetupError(found.message);
    Object.assign(env, found.env);
  }
  return await passOn(bun, program, { env });
}
