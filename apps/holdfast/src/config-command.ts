// Owns: `holdfast config`.
import { effectiveConfig } from "@holdfast/config";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { type Arguments, readConfiguration } from "./configuration.ts";
import { EXIT } from "./exit-code.ts";
import type { Host } from "./host.ts";

/** Prints every option with its value and source. */
export async function printConfig(args: Arguments, json: boolean, host: Host): Promise<number> {
  const configuration = await readConfiguration(args, host);
  if (!configuration.ok) {
    host.err(`${configuration.message}\n`);
    return EXIT.refused;
  }
  for (const note of configuration.notes) host.err(`${note}\n`);
  const rows = effectiveConfig(NODE_OPTIONS, configuration.config, configuration.sources);
  if (json) {
    host.out(`${JSON.stringify(rows, null, 2)}\n`);
    return EXIT.ok;
  }
  const values = rows.map((row) =>
    row.value === null ? "" : typeof row.value === "string" ? row.value : JSON.stringify(row.value),
  );
  const widest = (texts: readonly string[]) =>
    Math.min(60, Math.max(...texts.map((text) => text.length)));
  const [names, shown] = [widest(rows.map((row) => row.name)), widest(values)];
  for (const [index, row] of rows.entries())
    host.out(
      `${row.name.padEnd(names)}  ${(values[index] ?? "").padEnd(shown)}  ${row.source.where}\n`,
    );
  return EXIT.ok;
}
