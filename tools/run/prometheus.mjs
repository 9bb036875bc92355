// Owns: finding Prometheus and promtool, which test the alerts, or fetching them if that is one
// step.
import { join } from "node:path";
import { capture } from "./child.mjs";
import { debianRelease, findExecutable, unpackDebian } from "./debian.mjs";
import { ROOT } from "./root.mjs";

const FOLDER = join(ROOT, ".cache/prometheus");

/**
 * Programs for tests, as the environment that names them.
 * @returns {Promise<{ ok: true, env: Record<string, string> } | { ok: false, message: string }>}
 */
export async function ensurePrometheus() {
  const found = find() ?? (await fetched());
  if (found !== undefined) return { ok: true, env: found };
  return {
    ok: false,
    message:
      "no prometheus with its promtool was found. Install Prometheus 2.42 or newer (Debian: sudo apt-get install prometheus), or name both in PROMETHEUS and PROMTOOL, and run npm test again",
  };
}

/** @returns {{ PROMETHEUS: string, PROMTOOL: string } | undefined} */
function find() {
  const prometheus = findExecutable("prometheus", process.env.PROMETHEUS, FOLDER);
  const promtool = findExecutable("promtool", process.env.PROMTOOL, FOLDER);
  return prometheus === undefined || promtool === undefined
    ? undefined
    : { PROMETHEUS: prometheus, PROMTOOL: promtool };
}

async function fetched() {
  const suite = debianRelease();
  if (suite === undefined) return undefined;
  const files = Object.fromEntries(
    ["prometheus", "promtool"].map((name) => [`usr/bin/${name}`, join(FOLDER, name)]),
  );
  if (!(await unpackDebian({ name: "prometheus", suite, files }))) return undefined;
  const found = find();
  return found !== undefined && (await capture(found.PROMTOOL, ["--version"])).code === 0
    ? found
    : undefined;
}
