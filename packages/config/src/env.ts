// Owns: reading options from the environment.
import type { ConfigProblem, Given } from "./load.ts";
import { suggestion } from "./record.ts";
import { type OptionRow, type OptionTable, optionRows } from "./table.ts";

/**
 * Names of variables that Kubernetes sets in every pod of a namespace with a Service. If the
 * Service's name begins with `holdfast`, so do the variables.
 */
const SERVICE_LINK_NAME =
  /^[A-Z0-9]+(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;
const SERVICE_LINK_VALUE = /^(tcp|udp|sctp):\/\//;

export interface EnvValues {
  readonly given: readonly Given[];
  readonly problems: readonly ConfigProblem[];
  readonly notes: readonly string[];
}

/**
 * Reads every variable with the table's prefix. Empty ones count as absent. Unknown ones are
 * refused unless they are `ignored` or Kubernetes' own.
 */
export function readEnv(
  env: Readonly<Record<string, string | undefined>>,
  table: Pick<OptionTable<never>, "options" | "envPrefix" | "page">,
  ignored: readonly string[],
): EnvValues {
  const rows = optionRows(table);
  const byEnv = new Map(rows.map((row) => [row.env, row]));
  const given: Given[] = [];
  const problems: ConfigProblem[] = [];
  const notes: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (
      !name.startsWith(table.envPrefix) ||
      ignored.includes(name) ||
      value === undefined ||
      value === ""
    )
      continue;
    const row = byEnv.get(name);
    if (SERVICE_LINK_VALUE.test(value) && SERVICE_LINK_NAME.test(name)) {
      // `HOLDFAST_PORT=tcp://10.0.0.7:80` is not what anyone wrote.
      if (row !== undefined)
        notes.push(
          `${name} was set by Kubernetes for a Service and is ignored; enableServiceLinks: false in the pod avoids it`,
        );
    } else if (row !== undefined)
      given.push({ name: row.name, value, source: { kind: "env", where: name } });
    else if (!SERVICE_LINK_NAME.test(name))
      problems.push({
        option: name,
        where: "environment",
        found: "an unknown variable",
        allowed: suggestedVariable(name, rows, table),
      });
  }
  return { given, problems, notes };
}

function suggestedVariable(
  name: string,
  rows: readonly OptionRow[],
  { envPrefix, page }: Pick<OptionTable<never>, "envPrefix" | "page">,
): string {
  // Compared without the prefix: every name has it, so all names would look alike.
  const bare = rows.map((row) => row.env.slice(envPrefix.length));
  return suggestion(name.slice(envPrefix.length), bare, page).replace(
    "did you mean ",
    `did you mean ${envPrefix}`,
  );
}
