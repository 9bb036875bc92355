// Owns: finding PostgreSQL, the database that tests run against, or fetching it if that is one
// step.
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { capture } from "./child.mjs";
import { debianRelease, findExecutable, unpackDebian } from "./debian.mjs";
import { isExecutable } from "./executable.mjs";
import { ROOT } from "./root.mjs";

const FOLDER = join(ROOT, ".cache/postgresql");
const LIBRARIES = join(FOLDER, "usr/lib");

/** @typedef {{ POSTGRES_BIN: string, POSTGRES_LIBRARIES: string }} Env */

/**
 * The folder of its programs for tests, and the folders of its libraries, as the environment.
 * @returns {Promise<{ ok: true, env: Env } | { ok: false, message: string }>}
 */
export async function ensurePostgres() {
  const found = (await find()) ?? (await fetched());
  if (found !== undefined) return { ok: true, env: found };
  return {
    ok: false,
    message:
      "no PostgreSQL was found. Install it (Debian: sudo apt-get install postgresql), or name the folder of postgres and initdb in POSTGRES_BIN, and run npm test again",
  };
}

/** @returns {Promise<Env | undefined>} */
async function find() {
  const named = process.env.POSTGRES_BIN;
  const onPath = findExecutable("postgres", "", FOLDER);
  const folders = [
    ...(named === undefined || named === "" ? [] : [named]),
    // A link leads to where its other programs are.
    ...(onPath === undefined ? [] : [dirname(realpathSync(onPath))]),
    ...versionsIn("/usr/lib/postgresql"),
    ...versionsIn(join(LIBRARIES, "postgresql")),
  ];
  for (const folder of folders) {
    if (!["postgres", "initdb"].every((name) => isExecutable(join(folder, name)))) continue;
    const triplets = existsSync(LIBRARIES) ? readdirSync(LIBRARIES) : [];
    const POSTGRES_LIBRARIES = triplets.map((one) => join(LIBRARIES, one)).join(":");
    const env = { LD_LIBRARY_PATH: POSTGRES_LIBRARIES };
    const runs = (await capture(join(folder, "postgres"), ["--version"], { env })).code === 0;
    if (runs) return { POSTGRES_BIN: folder, POSTGRES_LIBRARIES };
  }
  return undefined;
}

/** @param {string} folder newest first */
function versionsIn(folder) {
  const versions = existsSync(folder) ? readdirSync(folder) : [];
  return versions
    .sort((one, other) => Number(other) - Number(one))
    .map((version) => join(folder, version, "bin"));
}

async function fetched() {
  const suite = debianRelease();
  if (suite === undefined) return undefined;
  const name = suite === "bookworm" ? "postgresql-15" : "postgresql-17";
  const files = { usr: join(FOLDER, "usr") };
  const unpacked = await unpackDebian({ name, suite, files, withLibraries: true });
  return unpacked ? await find() : undefined;
}
