// Owns: which server programs the tests run: from the environment, from PATH, or from where `npm
// test` put them.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export type Flavour = "redis" | "valkey";

const VARIABLES = { redis: "REDIS_SERVER", valkey: "VALKEY_SERVER" } as const;
const CACHED = join(import.meta.dir, "../../.cache/servers");

/**
 * Path of a server's program. Throws when there is none: a test that needs a server must not pass
 * without it.
 */
export function findServer(flavour: Flavour): string {
  const named = process.env[VARIABLES[flavour]];
  if (named !== undefined && named !== "") return named;
  const program = `${flavour}-server`;
  const folders = [
    ...(process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== ""),
    CACHED,
  ];
  const found = folders.map((folder) => join(folder, program)).find(isExecutable);
  if (found === undefined)
    throw new Error(
      `${program} was not found: install it, or name it in ${VARIABLES[flavour]}; npm test fetches it on Debian`,
    );
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
