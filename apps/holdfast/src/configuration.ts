// Owns: the configuration of one run of the command: its file, its defaults, and the report of
// refusals.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  type ConfigInput,
  formatProblems,
  loadConfig,
  type OptionTable,
  type Source,
} from "@holdfast/config";
import { type Config, NODE_OPTIONS } from "@holdfast/server/options";
import type { Host } from "./host.ts";

/**
 * Variables of this program that are no options: the file's name, and the broker's address for a
 * node of `holdfast dev`.
 */
export const CONFIG_VARIABLE = "HOLDFAST_CONFIG";
/** The token of a load run; a node that is started from the same terminal ignores it. */
export const BENCH_TOKEN_VARIABLE = "HOLDFAST_BENCH_TOKEN";
export const DEV_LINK_VARIABLE = "HOLDFAST_DEV_LINK";

/** From the command line: the file, and values by option name. */
export interface Arguments {
  readonly config?: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** What was read, or one message for people. */
export type Read<C> =
  | {
      readonly ok: true;
      readonly config: C;
      readonly sources: ReadonlyMap<string, Source>;
      readonly notes: readonly string[];
      /** What the file said; undefined: there is none. */
      readonly text: string | undefined;
    }
  | { readonly ok: false; readonly message: string };

export type Configuration = Read<Config>;

/** Reads the file, if one is named, and everything else. Refusals are one message for people. */
export async function readConfiguration(
  args: Arguments,
  host: Host,
  defaults: ConfigInput["defaults"] = {},
): Promise<Configuration> {
  const named = args.config ?? host.env[CONFIG_VARIABLE];
  const file = named === undefined || named === "" ? undefined : named;
  return readTable(NODE_OPTIONS, file, host, {
    env: host.env,
    envIgnored: [CONFIG_VARIABLE, DEV_LINK_VARIABLE, BENCH_TOKEN_VARIABLE],
    flags: args.options,
    defaults,
  });
}

/** The same for any program's table. */
export async function readTable<C>(
  table: OptionTable<C>,
  file: string | undefined,
  host: Host,
  input: Omit<ConfigInput, "file" | "text">,
): Promise<Read<C>> {
  let text: string | undefined;
  if (file !== undefined) {
    try {
      text = await readFile(resolve(host.cwd, file), "utf8");
    } catch (error) {
      return {
        ok: false,
        message: `The configuration file cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      };
    }
  }
  const result = loadConfig(table, {
    ...(file === undefined || text === undefined ? {} : { file, text }),
    ...input,
  });
  if (result.ok) return { ...result, text };
  const count = result.problems.length === 1 ? "one thing" : `${result.problems.length} things`;
  return {
    ok: false,
    message: `The configuration cannot be used, because of ${count}:\n${formatProblems(result.problems)}`,
  };
}
