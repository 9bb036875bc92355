// Owns: finding nats-server, which tests run against, or fetching it if that is one step.
import { join } from "node:path";
import { capture } from "./child.mjs";
import { debianRelease, findExecutable, unpackDebian } from "./debian.mjs";
import { ROOT } from "./root.mjs";

const FOLDER = join(ROOT, ".cache/servers");
const NAME = "nats-server";

/**
 * The program for tests, as the environment that names it.
 * @returns {Promise<{ ok: true, env: { NATS_SERVER: string } } | { ok: false, message: string }>}
 */
export async function ensureNats() {
  const found = (await find()) ?? (await fetched());
  if (found !== undefined) return { ok: true, env: { NATS_SERVER: found } };
  return {
    ok: false,
    message: `no ${NAME} was found. Install it (Debian: sudo apt-get install ${NAME}), or name it in NATS_SERVER, and run npm test again`,
  };
}

/** @returns {Promise<string | undefined>} */
async function find() {
  // Debian has it among the programs of administrators.
  const program =
    findExecutable(NAME, process.env.NATS_SERVER, FOLDER) ?? findExecutable(NAME, "", "/usr/sbin");
  if (program === undefined) return undefined;
  return (await capture(program, ["--version"])).code === 0 ? program : undefined;
}

async function fetched() {
  const suite = debianRelease();
  if (suite === undefined) return undefined;
  const files = { [`usr/sbin/${NAME}`]: join(FOLDER, NAME) };
  return (await unpackDebian({ name: NAME, suite, files })) ? await find() : undefined;
}
