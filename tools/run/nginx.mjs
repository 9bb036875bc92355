// Owns: finding nginx, which the gateway's proof measures beside the gateway, or fetching it if
// that is one step.
import { join } from "node:path";
import { capture } from "./child.mjs";
import { debianRelease, findExecutable, unpackDebian } from "./debian.mjs";
import { ROOT } from "./root.mjs";

const FOLDER = join(ROOT, ".cache/nginx");
const NAME = "nginx";

/**
 * The program, as the environment that names it.
 * @returns {Promise<{ ok: true, env: { NGINX: string } } | { ok: false, message: string }>}
 */
export async function ensureNginx() {
  const found = find() ?? (await fetched());
  if (found !== undefined) return { ok: true, env: { NGINX: found } };
  return {
    ok: false,
    message: `no ${NAME} was found. Install it (Debian: sudo apt-get install ${NAME}), or name it in NGINX, and run the proof again`,
  };
}

const find = () => findExecutable(NAME, process.env.NGINX, FOLDER);

async function fetched() {
  const suite = debianRelease();
  if (suite === undefined) return undefined;
  const files = { [`usr/sbin/${NAME}`]: join(FOLDER, NAME) };
  if (!(await unpackDebian({ name: NAME, suite, files }))) return undefined;
  const found = find();
  return found !== undefined && (await capture(found, ["-v"])).code === 0 ? found : undefined;
}
