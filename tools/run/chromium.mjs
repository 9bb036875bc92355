// Owns: finding a Chromium for the browser's tests, or installing it if that is one command.
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { capture } from "./child.mjs";
import { LOCK_WAIT } from "./debian.mjs";
import { isExecutable } from "./executable.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const ELSEWHERE = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];
const INSTALL_TIMEOUT_MS = 5 * 60_000;

/** @typedef {{ ok: true, path: string } | { ok: false, message: string }} Found */

/**
 * A Chromium that tests can start: CHROMIUM, the path, or (on Debian with the right to) freshly
 * installed.
 * @returns {Promise<Found>}
 */
export async function ensureChromium() {
  const before = findChromium(process.env);
  if (before !== undefined) return { ok: true, path: before };
  if (!existsSync("/usr/bin/apt-get")) {
    return {
      ok: false,
      message:
        "no Chromium or Chrome was found. Install one, or name it in CHROMIUM, and run npm test again",
    };
  }
  const sudo = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
  if (sudo.length > 0 && (await capture("sudo", ["-n", "true"])).code !== 0) {
    return {
      ok: false,
      message:
        "no Chromium was found. Install it and run npm test again: sudo apt-get install chromium",
    };
  }
  // Ubuntu's package of this name only points to a snap, which cannot run headless everywhere; it
  // is tried and judged by its result.
  const distribution = /^PRETTY_NAME="?([^"\n]*)/m.exec(
    existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "",
  )?.[1];
  console.log(`  installing chromium from the packages of ${distribution ?? "this system"}...`);
  const steps = [
    ["apt-get", "update", "-qq", LOCK_WAIT],
    ["apt-get", "install", "-y", "-qq", LOCK_WAIT, "--no-install-recommends", "chromium"],
  ];
  for (const step of steps) {
    const [file = "", ...args] = [...sudo, ...step];
    const run = await capture(file, args, {
      timeoutMs: INSTALL_TIMEOUT_MS,
      env: { DEBIAN_FRONTEND: "noninteractive" },
    });
    if (run.code !== 0) return { ok: false, message: `${step.join(" ")} failed:\n${run.output}` };
  }
  const after = findChromium(process.env);
  return after === undefined
    ? { ok: false, message: "chromium was installed and is not in PATH: name it in CHROMIUM" }
    : { ok: true, path: after };
}

/** @param {Record<string, string | undefined>} env @returns {string | undefined} */
export function findChromium(env) {
  if (env.CHROMIUM !== undefined && env.CHROMIUM !== "") return env.CHROMIUM;
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return [
    ...NAMES.flatMap((name) => folders.map((folder) => join(folder, name))),
    ...ELSEWHERE,
  ].find(isExecutable);
}
