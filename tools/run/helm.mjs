// Owns: finding helm and kubeconform for the chart's tests, or building them with the Go toolchain
// at the versions named here.
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { capture } from "./child.mjs";
import { isExecutable } from "./executable.mjs";
import { ROOT } from "./root.mjs";

const TOOLS = join(ROOT, ".cache/tools");
/** helm has a hundred modules to compile. */
const BUILD_TIMEOUT_MS = 15 * 60_000;

/** @typedef {{ name: string, version: string, module: string, variable: string }} Tool */

/** @type {Tool[]} */
const TOOLS_NEEDED = [
  { name: "helm", version: "v4.3.1", module: "helm.sh/helm/v4/cmd/helm", variable: "HELM" },
  {
    name: "kubeconform",
    version: "v0.8.0",
    module: "github.com/yannh/kubeconform/cmd/kubeconform",
    variable: "KUBECONFORM",
  },
];

/** @typedef {{ ok: true, env: Record<string, string> } | { ok: false, message: string }} Tools */

/** Both programs, as the environment that names them. @returns {Promise<Tools>} */
export async function ensureChartTools() {
  /** @type {Record<string, string>} */
  const env = {};
  for (const tool of TOOLS_NEEDED) {
    const found = findTool(tool) ?? (await buildTool(tool));
    if (found === undefined) {
      return {
        ok: false,
        message: `no ${tool.name} was found. Install it, name it in ${tool.variable}, or install Go (with which ${tool.name} ${tool.version} is built), and run npm run test:chart again`,
      };
    }
    env[tool.variable] = found;
  }
  return { ok: true, env };
}

/**
 * What is named, what was built before, or what is on the path.
 * @param {Tool} tool
 * @returns {string | undefined}
 */
function findTool({ name, version, variable }) {
  const named = process.env[variable];
  if (named !== undefined && named !== "") return named;
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return [join(TOOLS, `${name}-${version}`), ...folders]
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

/** @param {Tool} tool @returns {Promise<string | undefined>} */
async function buildTool({ name, version, module }) {
  if ((await capture("go", ["version"])).code !== 0) return undefined;
  const folder = join(TOOLS, `${name}-${version}`);
  const building = `${folder}.building`;
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true });
  console.log(`  building ${name} ${version} with Go, once; this takes a few minutes...`);
  const run = await capture("go", ["install", "-ldflags=-s -w", `${module}@${version}`], {
    timeoutMs: BUILD_TIMEOUT_MS,
    env: { GOBIN: building, GOFLAGS: "" },
  });
  if (run.code !== 0) {
    console.log(run.output.trimEnd());
    return undefined;
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(building, folder);
  return join(folder, name);
}
