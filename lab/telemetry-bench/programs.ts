// Owns: programs of others that are measured, as the environment names them.
import { RivalError } from "../rivals/rival-error.ts";

/** Throws RivalError `program_missing` if the environment does not name it. */
export function programOf(variable: string, what: string): string {
  const { [variable]: program } = process.env;
  if (program !== undefined && program !== "") return program;
  throw new RivalError(
    "program_missing",
    `Cannot measure ${what}: ${variable} is not set, expected npm run bench:compare to set it`,
  );
}
