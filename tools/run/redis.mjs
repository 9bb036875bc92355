// Owns: finding the Redis and Valkey servers that tests run against, or fetching them if that is
// one step.
import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { capture } from "./child.mjs";
import {
  debianRelease,
  findExecutable,
  INSTALL_TIMEOUT_MS,
  LOCK_WAIT,
  unpackDebian,
} from "./debian.mjs";
import { isExecutable } from "./executable.mjs";
import { ROOT } from "./root.mjs";

const SERVERS = join(ROOT, ".cache/servers");

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

/**
 * Debian's package redis-tools holds the program itself, which is a server when it is called so;
 * unlike redis-server it starts no service.
 * @returns {Promise<string | undefined>}
 */
async function installRedis() {
  if (!existsSync("/usr/bin/apt-get")) return undefined;
  const sudo = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
  if (sudo.length > 0 && (await capture("sudo", ["-n", "true"])).code !== 0) return undefined;
  console.log("  installing the program of redis-server...");
  for (const step of [
    ["apt-get", "update", "-qq", LOCK_WAIT],
    ["apt-get", "install", "-y", "-qq", LOCK_WAIT, "--no-install-recommends", "redis-tools"],
  ]) {
    const [file = "", ...args] = [...sudo, ...step];
    const run = await capture(file, args, {
      timeoutMs: INSTALL_TIMEOUT_MS,
      env: { DEBIAN_FRONTEND: "noninteractive" },
    });
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
 * Debian 12 has Valkey 8 in its backports. It is unpacked, not installed; its libraries are those
 * of redis-tools.
 * @returns {Promise<string | undefined>}
 */
async function unpackValkey() {
  const release = debianRelease();
  if (release === undefined) return undefined;
  const suite = release === "bookworm" ? "bookworm-backports" : "trixie";
  const program = join(SERVERS, "valkey-server");
  const unpacked = await unpackDebian({
    name: "valkey-tools",
    suite,
    files: { "usr/bin/valkey-check-rdb": program },
  });
  return unpacked && (await capture(program, ["--version"])).code === 0 ? program : undefined;
}

/** @param {string} name @param {string | undefined} named @returns {string | undefined} */
function findProgram(name, named) {
  return findExecutable(name, named, SERVERS);
}
