// Owns: what the examples in Python and Go need in tests: the package websockets from PyPI, in our
// own folder, and the examples in Go as programs.
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { capture } from "./child.mjs";
import { ROOT } from "./root.mjs";

const WEBSOCKETS = "17.4";
/** Programs in Go, by the variable that names each in tests. */
const GO_EXAMPLES = { HANDOFF_GO: "handoff-go", BACK_END_GO: "back-ends/go" };
const FETCH_TIMEOUT_MS = 3 * 60_000;

/** @typedef {{ ok: true, env: Record<string, string> } | { ok: false, message: string }} Languages */

/** Both, as the environment that names them. @returns {Promise<Languages>} */
export async function ensureLanguages() {
  const python = await ensurePython();
  if (!python.ok) return python;
  const go = await buildGo();
  if (go === undefined) {
    return {
      ok: false,
      message:
        "an example in Go could not be built. Install Go 1.24 or newer, and run npm test again",
    };
  }
  return { ok: true, env: { ...python.env, ...go } };
}

/** Python with websockets, as the environment that names it. @returns {Promise<Languages>} */
export async function ensurePython() {
  const env = await findPython();
  if (env !== undefined) return { ok: true, env };
  return {
    ok: false,
    message: `no Python 3.10 or newer with pip was found. Install it (Debian: sudo apt-get install python3-pip), or name one in PYTHON that has websockets ${WEBSOCKETS}, and run this again`,
  };
}

/** @returns {Promise<{ PYTHON: string, PYTHONPATH: string } | undefined>} */
async function findPython() {
  const PYTHON = process.env.PYTHON ?? "python3";
  const tag = await capture(PYTHON, ["-c", "import sys; print(sys.implementation.cache_tag)"]);
  if (tag.code !== 0) return undefined;
  const folder = join(ROOT, `.cache/python/websockets-${WEBSOCKETS}-${tag.output.trim()}`);
  const found = { PYTHON, PYTHONPATH: folder };
  const check = ["-c", "import websockets.asyncio.server"];
  const isThere = async () =>
    existsSync(folder) &&
    (await capture(PYTHON, check, { env: { PYTHONPATH: folder } })).code === 0;
  if (await isThere()) return found;
  console.log(`  fetching websockets ${WEBSOCKETS} for Python, once...`);
  const fetching = `${folder}.fetching`;
  rmSync(fetching, { recursive: true, force: true });
  mkdirSync(fetching, { recursive: true });
  const args = ["--quiet", "--disable-pip-version-check", "--no-deps", "--target", fetching];
  const pip = ["-m", "pip", "install", ...args, `websockets==${WEBSOCKETS}`];
  const run = await capture(PYTHON, pip, { timeoutMs: FETCH_TIMEOUT_MS });
  if (run.code !== 0) {
    console.log(run.output.trimEnd());
    return undefined;
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(fetching, folder);
  return (await isThere()) ? found : undefined;
}

/** Go knows itself what has changed. @returns {Promise<Record<string, string> | undefined>} */
async function buildGo() {
  /** @type {Record<string, string>} */
  const programs = {};
  for (const [variable, example] of Object.entries(GO_EXAMPLES)) {
    const program = join(ROOT, ".cache/tools", example.replace("/", "-"));
    const run = await capture("go", ["build", "-o", program, "."], {
      cwd: join(ROOT, "examples", example),
      timeoutMs: FETCH_TIMEOUT_MS,
      env: { GOFLAGS: "" },
    });
    if (run.code !== 0) {
      console.log(run.output.trimEnd());
      return undefined;
    }
    programs[variable] = program;
  }
  return programs;
}
