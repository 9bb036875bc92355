// Owns: finding the Redis and Valkey servers that tests run against, or fetching them where that is one step.
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { capture } from "./child.mjs";
import { ROOT } from "./root.mjs";

const SERVERS = join(ROOT, ".cache/servers");
const INSTALL_TIMEOUT_MS = 5 * 60_000;
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** @typedef {{ ok: true, env: Record<string, string> } | { ok: false, message: string }} Servers */

/** Servers for tests, as the environment that names them. @returns {Promise<Servers>} */
export async function ensureServers() {
  const redis = findProgram("redis-server", process.env.REDIS_SERVER) ?? (await installRedis());
  if (redis === undefined) {
    return {
      ok: false,
      message:
        "no redis-server was found. Install it (Debian: sudo apt-get install redis-server), or name it in REDIS_SERVER, and run npm test again",
    };
  }
  const valkey = findProgram("valkey-server", process.env.VALKEY_SERVER) ?? (await unpackValkey());
  if (valkey === undefined) {
    return {
      ok: false,
      message:
        "no valkey-server was found. Install Valkey 8 (Debian 13: sudo apt-get install valkey-server), or name it in VALKEY_SERVER, and run npm test again",
    };
  }
  return { ok: true, env: { REDIS_SERVER: redis, VALKEY_SERVER: valkey } };
}

/** @param {string} name @param {string | undefined} named @returns {string | undefined} */
function findProgram(name, named) {
  if (named !== undefined && named !== "") return named;
  const folders = [...(process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== ""), SERVERS];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/**
 * Debian's package redis-tools holds the program itself, which is a server when it is called so; unlike redis-server it starts no service.
 * @returns {Promise<string | undefined>}
 */
async function installRedis() {
  if (!existsSync("/usr/bin/apt-get")) return undefined;
  const sudo = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
  if (sudo.length > 0 && (await capture("sudo", ["-n", "true"])).code !== 0) return undefined;
  console.log("  installing the program of redis-server...");
  for (const step of [
    ["apt-get", "update", "-qq"],
    ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "redis-tools"],
  ]) {
    const [file = "", ...args] = [...sudo, ...step];
    const run = await capture(file, args, { timeoutMs: INSTALL_TIMEOUT_MS, env: { DEBIAN_FRONTEND: "noninteractive" } });
    if (run.code !== 0) console.log(run.output.trimEnd());
  }
  if (!isExecutable("/usr/bin/redis-check-rdb")) return undefined;
  mkdirSync(SERVERS, { recursive: true });
  const link = join(SERVERS, "redis-server");
  rmSync(link, { force: true });
  symlinkSync("/usr/bin/redis-check-rdb", link);
  return link;
}

/**
 * Debian 12 has Valkey 8 in its backports. The package is fetched with package lists of our own, so that the system's sources stay as they are, and unpacked, not
 * installed; its libraries are those of redis-tools. Needs no rights.
 * @returns {Promise<string | undefined>}
 */
async function unpackValkey() {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  if (!/^ID=debian$/m.test(release) || !existsSync("/usr/bin/apt-get") || !existsSync(KEYRING)) return undefined;
  const uri = mirror();
  if (uri === undefined) return undefined;
  const suite = /^VERSION_CODENAME=bookworm$/m.test(release) ? "bookworm-backports" : "trixie";
  console.log(`  fetching valkey-server from Debian's ${suite}...`);
  const folder = join(SERVERS, "fetching");
  rmSync(folder, { recursive: true, force: true });
  for (const name of ["lists/partial", "cache/archives/partial", "unpacked"]) mkdirSync(join(folder, name), { recursive: true });
  const sources = join(folder, "debian.sources");
  writeFileSync(sources, `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\nSigned-By: ${KEYRING}\n`);
  const options = [
    `Dir::Etc::sourcelist=${sources}`,
    "Dir::Etc::sourceparts=/dev/null",
    `Dir::State::lists=${join(folder, "lists")}`,
    `Dir::Cache=${join(folder, "cache")}`,
    "Debug::NoLocking=1",
    "APT::Sandbox::User=",
  ].flatMap((option) => ["-o", option]);
  for (const args of [["update"], ["download", "valkey-tools"]]) {
    const run = await capture("apt-get", [...options, ...args], { timeoutMs: INSTALL_TIMEOUT_MS, cwd: folder });
    if (run.code !== 0) {
      console.log(run.output.trimEnd());
      return undefined;
    }
  }
  const file = readdirSync(folder).find((name) => name.endsWith(".deb"));
  if (file === undefined || (await capture("dpkg-deb", ["-x", join(folder, file), join(folder, "unpacked")])).code !== 0) return undefined;
  const program = join(SERVERS, "valkey-server");
  renameSync(join(folder, "unpacked/usr/bin/valkey-check-rdb"), program);
  rmSync(folder, { recursive: true, force: true });
  return (await capture(program, ["--version"])).code === 0 ? program : undefined;
}

/** The mirror that the system uses already. @returns {string | undefined} */
function mirror() {
  const files = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"].filter((file) => existsSync(file));
  const found = files
    .map((file) => /(https?:\/\/[^\s]+\/debian)\/?(?=\s)/.exec(readFileSync(file, "utf8"))?.[1])
    .find((url) => url !== undefined);
  return found;
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
