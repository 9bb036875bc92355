// Owns: the configuration as people may see it: every value with its source, secrets hidden.
import type { ApiKey } from "./api-keys.ts";
import { valueAt } from "./changes.ts";
import type { Source } from "./load.ts";
import { type Config, optionRows } from "./options.ts";

export interface EffectiveRow {
  readonly name: string;
  /** A value that JSON can hold; `(hidden)` for secrets that are set, null for what is not set. */
  readonly value: unknown;
  readonly source: Source;
}

/** Every row of the table with its value. API keys show names and scopes. */
export function effectiveConfig(
  config: Config,
  sources: ReadonlyMap<string, Source>,
): readonly EffectiveRow[] {
  return optionRows().map(({ name, option }) => {
    const value = valueAt(config, name);
    const source = sources.get(name) ?? { kind: "default", where: "default" };
    if (option.kind === "api keys") return { name, value: config.apiKeys.map(withoutKey), source };
    return {
      name,
      value: option.secret && value !== undefined ? "(hidden)" : (value ?? null),
      source,
    };
  });
}

function withoutKey({ name, scopes }: ApiKey): unknown {
  return { name, key: "(hidden)", scopes };
}
