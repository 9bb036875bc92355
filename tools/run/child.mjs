// Owns: starting other programs: passing signals and exit statuses on, bounding their time, ending
// them with all that they started.
import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { ROOT } from "./root.mjs";

const KILL_AFTER_MS = 5000;
/** Output that is kept in memory of one program; the file has all of it. */
const OUTPUT_LENGTH_MAX = 4_000_000;

/**
 * Runs a program on this terminal and resolves with its exit status (128 + number when a signal
 * ended it).
 * Ctrl-C in a terminal reaches the program by itself, because the terminal signals everyone; other
 * signals are passed on.
 * @param {string} file
 * @param {string[]} args
 * @param {{ cwd?: string, timeoutMs?: number, env?: Record<string, string> }} [options]
 * @returns {Promise<number>}
 */
export function passOn(file, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: options.cwd ?? ROOT,
      env: { ...process.env, ...options.env },
      stdio: "inherit",
    });
    const interrupt = () => {
      if (process.stdin.isTTY !== true) child.kill("SIGINT");
    };
    const terminate = () => child.kill("SIGTERM");
    const hangUp = () => child.kill("SIGHUP");
    process.on("SIGINT", interrupt).on("SIGTERM", terminate).on("SIGHUP", hangUp);
    const timer =
      options.timeoutMs === undefined ? undefined : setTimeout(terminate, options.timeoutMs);
    const end = (/** @type {number} */ code) => {
      clearTimeout(timer);
      process.off("SIGINT", interrupt).off("SIGTERM", terminate).off("SIGHUP", hangUp);
      resolve(code);
    };
    child.once("error", (error) => {
      console.error(`${file}: ${error.message}`);
      end(127);
    });
    child.once("exit", (code, signal) => end(code ?? signalStatus(signal)));
  });
}

/** @param {NodeJS.Signals | null} signal */
function signalStatus(signal) {
  return 128 + ({ SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[String(signal)] ?? 0);
}

/** @typedef {{ code: number, output: string, timedOut: boolean, ms: number }} Captured */

/** Programs that run in a process group of their own now. */
const running = new Set();

/**
 * Runs a program in a process group of its own and gathers what it writes. At the time limit, and
 * when this process is told to end, the whole group is ended. Resolves when the program is gone.
 * @param {string} file
 * @param {string[]} args
 * @param {{ timeoutMs?: number, log?: string, env?: Record<string, string>, cwd?: string }} [options]
 * @returns {Promise<Captured>}
 */
export function capture(file, args, options = {}) {
  const startedMs = Date.now();
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: options.cwd ?? ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      env: { ...process.env, FORCE_COLOR: "0", NO_COLOR: "1", ...options.env },
    });
    const log = options.log === undefined ? undefined : createWriteStream(options.log);
    let output = "";
    let timedOut = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        log?.write(text);
        output = `${output}${text}`.slice(-OUTPUT_LENGTH_MAX);
      });
    }
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup(child.pid);
    }, options.timeoutMs ?? 60_000);
    running.add(child.pid);
    const end = (/** @type {number} */ code) => {
      clearTimeout(timer);
      running.delete(child.pid);
      // What the program left behind in its group ends with it.
      signalGroup(child.pid, "SIGKILL");
      log?.end();
      resolve({ code, output, timedOut, ms: Date.now() - startedMs });
    };
    child.once("error", (error) => {
      output += error.message;
      end(127);
    });
    child.once("exit", (code, signal) => {
      // Its pipes may be held open by a process it left behind: give them a moment, not for ever.
      const late = setTimeout(() => end(code ?? signalStatus(signal)), 500);
      child.once("close", () => {
        clearTimeout(late);
        end(code ?? signalStatus(signal));
      });
    });
  });
}

/** Ends everything that `capture` started, now. */
export function endAll() {
  for (const pid of running) signalGroup(pid, "SIGKILL");
}

/** @param {number | undefined} pid */
function endGroup(pid) {
  signalGroup(pid, "SIGTERM");
  setTimeout(() => signalGroup(pid, "SIGKILL"), KILL_AFTER_MS).unref();
}

/** @param {number | undefined} pid @param {NodeJS.Signals} signal */
function signalGroup(pid, signal) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone already.
  }
}
