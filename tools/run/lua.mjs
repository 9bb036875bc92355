// Owns: finding Lua, which runs Argo CD's health check of docs/operations/pipelines.md, or fetching
// it if that is one step.
import { join } from "node:path";
import { capture } from "./child.mjs";
import { debianRelease, findExecutable, unpackDebian } from "./debian.mjs";
import { ROOT } from "./root.mjs";

const FOLDER = join(ROOT, ".cache/lua");
const NAME = "lua5.4";

/**
 * The program for tests, as the environment that names it.
 * @returns {Promise<{ ok: true, env: { LUA: string } } | { ok: false, message: string }>}
 */
export async function ensureLua() {
  const found = find() ?? (await fetched());
  if (found !== undefined) return { ok: true, env: { LUA: found } };
  return {
    ok: false,
    message: `no ${NAME} was found. Install Lua (Debian: sudo apt-get install ${NAME}), or name it in LUA, and run npm test again`,
  };
}

const find = () => findExecutable(NAME, process.env.LUA, FOLDER);

async function fetched() {
  const suite = debianRelease();
  if (suite === undefined) return undefined;
  const files = { [`usr/bin/${NAME}`]: join(FOLDER, NAME) };
  if (!(await unpackDebian({ name: NAME, suite, files }))) return undefined;
  const found = find();
  return found !== undefined && (await capture(found, ["-v"])).code === 0 ? found : undefined;
}
