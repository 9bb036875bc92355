// Owns: `npm run prove -- --gateway`: what the chosen applications and proxies need is found or
// fetched before.
import { passOn } from "./child.mjs";
import { SetupError } from "./install.mjs";
import { ensurePython } from "./languages.mjs";
import { ensureMosquitto } from "./mosquitto.mjs";
import { ensureEnvoy, ensureHaproxy, ensureNginx } from "./proxies.mjs";
import { ensureServers } from "./redis.mjs";

/** Which choice of an option needs what. */
const NEEDS = [
  { option: "--apps", names: ["python", "handoff-python"], ensure: ensurePython },
  { option: "--apps", names: ["mqtt"], ensure: ensureMosquitto },
  { option: "--apps", names: ["socketio-recovery"], ensure: ensureServers },
  { option: "--fronts", names: ["nginx"], ensure: ensureNginx },
  { option: "--fronts", names: ["haproxy"], ensure: ensureHaproxy },
  { option: "--fronts", names: ["envoy"], ensure: ensureEnvoy },
];

/** @param {string} bun @param {string[]} args */
export async function proveGateway(bun, args) {
  const program = ["lab/prove.ts", ...args];
  if (args.includes("--help")) return await passOn(bun, program);
  /** @type {Record<string, string>} */
  const env = {};
  for (const { option, names, ensure } of NEEDS) {
    const chosen = optionOf(args, option)?.split(",") ?? names;
    if (!names.some((name) => chosen.includes(name))) continue;
    const found = await ensure();
    if (!found.ok) throw new SetupError(`${found.message} (or choose others with ${option})`);
    Object.assign(env, found.env);
  }
  return await passOn(bun, program, { env });
}

/** @param {string[]} args @param {string} option @returns {string | undefined} */
function optionOf(args, option) {
  const place = args.indexOf(option);
  if (place >= 0) return args[place + 1];
  return args.find((one) => one.startsWith(`${option}=`))?.slice(option.length + 1);
}
