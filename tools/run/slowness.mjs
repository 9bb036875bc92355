// Owns: how much slower than a quiet machine of the kind that limits were set on this one is now.
import { spawn } from "node:child_process";
import { availableParallelism, loadavg } from "node:os";

/** What one probe takes on the machine on which the limits were set, with nothing else to do. */
const PROBE_MS = 190;
const PROBE =
  "let x=0;const t=performance.now();for(let i=0;i<2e7;i++)x=(x*1103515245+12345)&0x7fffffff;" +
  "console.log(performance.now()-t,x)";
/** A machine that is slower than this is not waited for: whatever hangs must end. */
const SLOWNESS_MAX = 8;

/**
 * A factor for limits of time, from 1 to 8: the time that a fixed piece of work takes on every core
 * at once, over what it takes on a quiet machine; at least the processes that wait for each core.
 * It lasts about a quarter of a second.
 * @returns {Promise<number>}
 */
export async function measureSlowness() {
  const took = await Promise.all(Array.from({ length: availableParallelism() }, probe));
  const waiting = (loadavg()[0] ?? 0) / availableParallelism();
  return Math.min(SLOWNESS_MAX, Math.max(1, waiting, ...took.map((ms) => ms / PROBE_MS)));
}

/** @returns {Promise<number>} ms; a probe that could not run counts as a quiet one */
function probe() {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["-e", PROBE], { stdio: ["ignore", "pipe", "ignore"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
    child.once("error", () => resolve(PROBE_MS));
    child.once("close", () => resolve(Number.parseFloat(output) || PROBE_MS));
  });
}
