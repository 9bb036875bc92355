// Owns: the preconditions of a command: a recent Node, the locked packages, a working Bun.
import { existsSync, readFileSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { capture, passOn } from "./child.mjs";
import { ROOT } from "./root.mjs";

const NODE_MAJOR_MIN = 20;
const INSTALL_TIMEOUT_MS = 10 * 60_000;

/** What is missing on this machine, and what to do about it; the message is for people. */
export class SetupError extends Error {}

/** Makes node_modules what package-lock.json says. A few milliseconds when it is. */
export async function ensureInstalled() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < NODE_MAJOR_MIN) {
    throw new SetupError(
      `Holdfast needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.version}. See https://nodejs.org`,
    );
  }
  const missing = missingPackages(
    readJson(join(ROOT, "package-lock.json")),
    readJson(join(ROOT, "node_modules/.package-lock.json")),
    ROOT,
  );
  if (missing.length === 0) return;
  console.log(`Installing packages (${missing.length} missing or of another version)...`);
  const code = await passOn(
    "npm",
    ["ci", "--no-audit", "--no-fund", "--loglevel=error", "--progress=true"],
    {
      timeoutMs: INSTALL_TIMEOUT_MS,
    },
  );
  if (code !== 0) {
    throw new SetupError(
      `npm ci failed (exit status ${code}): see its message above. The network or the package registry may be out of reach; try again with: npm ci`,
    );
  }
}

/**
 * Packages of the lock file that are not installed as it says. npm writes
 * node_modules/.package-lock.json as the last step of every installation, so this also knows one
 * that was broken off, and one that somebody made by hand.
 * @param {unknown} lock
 * @param {unknown} installed
 * @param {string} root
 * @returns {string[]}
 */
export function missingPackages(lock, installed, root) {
  const wanted = packagesOf(lock);
  const found = packagesOf(installed);
  return Object.entries(wanted)
    .filter(([path, entry]) => path.startsWith("node_modules/") && !optional(entry))
    .filter(([path, entry]) => {
      if (!existsSync(join(root, path))) return true;
      return entry.link !== true && found[path]?.version !== entry.version;
    })
    .map(([path]) => path);
}

/** @param {{ optional?: boolean, peer?: boolean, devOptional?: boolean }} entry */
function optional(entry) {
  return entry.optional === true || entry.devOptional === true || entry.peer === true;
}

/**
 * @typedef {{ version?: string, link?: boolean, optional?: boolean, peer?: boolean, devOptional?:
 * boolean }} LockEntry
 */

/** @param {unknown} lock @returns {Record<string, LockEntry>} */
function packagesOf(lock) {
  return typeof lock === "object" && lock !== null && "packages" in lock
    ? /** @type {Record<string, LockEntry>} */ (lock.packages)
    : {};
}

/** @param {string} path @returns {unknown} */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * Path of a Bun that runs. npm may have been told not to run install scripts; then the package
 * `bun` holds a placeholder, and the binary of the platform's own package does.
 */
export async function findBun() {
  const placed = join(ROOT, "node_modules/bun/bin/bun.exe");
  // A placeholder is a few hundred bytes; starting the real one to see would cost every command its
  // time.
  if (await isLarge(placed)) return placed;
  const packages = await readdir(join(ROOT, "node_modules/@oven")).catch(() => []);
  for (const name of packages) {
    for (const file of ["bun", "bun.exe"]) {
      const path = join(ROOT, "node_modules/@oven", name, "bin", file);
      if ((await isLarge(path)) && (await capture(path, ["--version"])).code === 0) return path;
    }
  }
  const script = join(ROOT, "node_modules/bun/install.js");
  if (existsSync(script)) {
    console.log("Fetching Bun...");
    await passOn(process.execPath, [script], {
      cwd: join(ROOT, "node_modules/bun"),
      timeoutMs: INSTALL_TIMEOUT_MS,
    });
    if (await isLarge(placed)) return placed;
  }
  throw new SetupError(
    `Bun has no binary for ${process.platform} ${process.arch} in node_modules. Was it installed with --omit=optional? Try: npm ci --include=optional`,
  );
}

/** @param {string} path */
async function isLarge(path) {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && found.size > 1_000_000;
}
