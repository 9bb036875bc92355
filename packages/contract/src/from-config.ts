// Owns: contracts from plain data (YAML, JSON): namespaces without schemas, functions or RPCs.
import { CHANNEL_LENGTH_CEILING } from "@holdfast/protocol";
import { definitionProblems } from "./check.ts";
import type { ChannelDefinition, ContractDefinition } from "./define.ts";

/** The definition that a configuration states, or every problem of it as one text each. */
export type ConfigResult =
  | { readonly ok: true; readonly definition: ContractDefinition }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * `{ "<pattern>": { class, history: { size, ttlMs }, presence, permissions, slowConsumer } }` as a
 * definition: any data, rules by name only. The same checks and texts as for contracts in code.
 * Members that are null count as absent, as YAML writes them.
 */
export function definitionFromConfig(namespaces: unknown): ConfigResult {
  const channels = withoutNulls(namespaces, 0);
  const problems = definitionProblems(
    { channels },
    { channelLengthMax: CHANNEL_LENGTH_CEILING, plain: true },
  );
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    definition: { channels: channels as Readonly<Record<string, ChannelDefinition>> },
  };
}

/**
 * `chat:{room}:` alone in YAML is null: a namespace with every default. Members below are dropped
 * when null.
 */
function withoutNulls(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value) || depth > 3)
    return value;
  const entries = Object.entries(value)
    .map(([key, member]): [string, unknown] => [
      key,
      depth === 0 && member === null ? {} : withoutNulls(member, depth + 1),
    ])
    .filter(([, member]) => member !== null);
  return Object.fromEntries(entries);
}
