// Owns: finding mosquitto, the MQTT broker that tests run against, and its clients, or fetching
// them if that is one step.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { capture } from "./child.mjs";
import { debianRelease, findExecutable, unpackDebian } from "./debian.mjs";
import { ROOT } from "./root.mjs";

const FOLDER = join(ROOT, ".cache/mosquitto");
const LIBRARIES = join(FOLDER, "lib");
const NAME = "mosquitto";

/** @typedef {{ MOSQUITTO: string, MOSQUITTO_LIBRARIES: string }} Env */

/**
 * The program for tests, as the environment that names it and the folder of its libraries.
 * @returns {Promise<{ ok: true, env: Env } | { ok: false, message: string }>}
 */
export async function ensureMosquitto() {
  const found = (await find()) ?? (await fetched());
  if (found !== undefined) return { ok: true, env: found };
  return {
    ok: false,
    message: `no ${NAME} was found. Install it (Debian: sudo apt-get install ${NAME}), or name it in MOSQUITTO, and run npm test again`,
  };
}

/** @returns {Promise<Env | undefined>} */
async function find() {
  // Debian has it among the programs of administrators.
  const program =
    findExecutable(NAME, process.env.MOSQUITTO, FOLDER) ?? findExecutable(NAME, "", "/usr/sbin");
  if (program === undefined) return undefined;
  const folders = existsSync(LIBRARIES) ? readdirSync(LIBRARIES) : [];
  const MOSQUITTO_LIBRARIES = folders.map((folder) => join(LIBRARIES, folder)).join(":");
  const env = { LD_LIBRARY_PATH: MOSQUITTO_LIBRARIES };
  // Its help ends with 3.
  const runs = (await capture(program, ["-h"], { env })).output.includes("MQTT");
  return runs ? { MOSQUITTO: program, MOSQUITTO_LIBRARIES } : undefined;
}

async function fetched() {
  const suite = debianRelease();
  if (suite === undefined) return undefined;
  const files = { [`usr/sbin/${NAME}`]: join(FOLDER, NAME), "usr/lib": LIBRARIES };
  const unpacked = await unpackDebian({ name: NAME, suite, files, withLibraries: true });
  return unpacked ? await find() : undefined;
}

const CLIENTS = "mosquitto-clients";
const CLIENT_FOLDER = join(FOLDER, "clients");
const CLIENT_LIBRARIES = join(CLIENT_FOLDER, "lib");
/** Its programs, and the variables that name them. */
const CLIENT_VARIABLES = { mosquitto_pub: "MOSQUITTO_PUB", mosquitto_sub: "MOSQUITTO_SUB" };

/**
 * `mosquitto_pub` and `mosquitto_sub`, as the environment that names them and the folder of their
 * libraries.
 * @returns {Promise<{ ok: true, env: Record<string, string> } | { ok: false, message: string }>}
 */
export async function ensureMosquittoClients() {
  const found = (await findClients()) ?? (await fetchedClients());
  if (found !== undefined) return { ok: true, env: found };
  return {
    ok: false,
    message: `no ${CLIENTS} were found. Install them (Debian: sudo apt-get install ${CLIENTS}), and run npm test again`,
  };
}

/** @returns {Promise<Record<string, string> | undefined>} */
async function findClients() {
  /** @type {Record<string, string>} */
  const env = {};
  const folders = existsSync(CLIENT_LIBRARIES) ? readdirSync(CLIENT_LIBRARIES) : [];
  env.MOSQUITTO_CLIENT_LIBRARIES = folders
    .map((folder) => join(CLIENT_LIBRARIES, folder))
    .join(":");
  for (const [name, variable] of Object.entries(CLIENT_VARIABLES)) {
    const program = findExecutable(name, process.env[variable], CLIENT_FOLDER);
    if (program === undefined) return undefined;
    const run = await capture(program, ["--help"], {
      env: { LD_LIBRARY_PATH: env.MOSQUITTO_CLIENT_LIBRARIES },
    });
    if (!run.output.includes("mqtt")) return undefined;
    env[variable] = program;
  }
  return env;
}

async function fetchedClients() {
  const suite = debianRelease();
  if (suite === undefined) return undefined;
  const programs = Object.keys(CLIENT_VARIABLES).map((name) => [
    `usr/bin/${name}`,
    join(CLIENT_FOLDER, name),
  ]);
  const files = { ...Object.fromEntries(programs), "usr/lib": CLIENT_LIBRARIES };
  const unpacked = await unpackDebian({ name: CLIENTS, suite, files, withLibraries: true });
  return unpacked ? await findClients() : undefined;
}
