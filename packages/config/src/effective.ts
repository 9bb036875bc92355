// Owns: the configuration as people may see it: every value with its source, secrets hidden.
import { valueAt } from "./changes.ts";
import type { Source } from "./load.ts";
import { type OptionTable, optionRows } from "./table.ts";

export interface EffectiveRow {
  readonly name: string;
  /** A value that JSON can hold; `(hidden)` for secrets that are set, null for what is not set. */
  readonly value: unknown;
  readonly source: Source;
}

/** Every row of the table with its value. */
export function effectiveConfig<C extends object>(
  table: OptionTable<C>,
  config: C,
  sources: ReadonlyMap<string, Source>,
): readonly EffectiveRow[] {
  return optionRows(table).map(({ name, option }) => {
    const value = valueAt(config, name);
    const source = sources.get(name) ?? { kind: "default", where: "default" };
    if (!option.secret || value === undefined) return { name, value: value ?? null, source };
    return { name, value: option.shown?.(value) ?? "(hidden)", source };
  });
}
