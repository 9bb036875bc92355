// Owns: finding mosquitto, the MQTT broker that tests run against, or fetching it if that is one
// step.
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
