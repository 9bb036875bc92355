// Owns: programs that servers of the proof need, as the environment names them.
import { join } from "node:path";
import { ProveError } from "../../prove-error.ts";
import type { ServerCommand } from "../app.ts";

export const SERVERS = join(import.meta.dir, "../servers");
export const EXAMPLES = join(import.meta.dir, "../../../../examples");

/** Throws `node_unusable` if the environment does not name it. */
export function programOf(variable: string, what: string): string {
  const { [variable]: program } = process.env;
  if (program !== undefined && program !== "") return program;
  throw new ProveError(
    "node_unusable",
    `Cannot start ${what}: ${variable} is not set, expected npm run prove -- --gateway to set it`,
  );
}

/** With the package `websockets`. */
export const pythonCommand = (args: readonly string[]): ServerCommand => ({
  command: [programOf("PYTHON", "a server in Python"), ...args],
  env: { PYTHONPATH: programOf("PYTHONPATH", "a server in Python") },
});
