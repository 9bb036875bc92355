// Owns: which options of a changed configuration a running node can adopt.
import { isOption, type OptionTable, optionRows } from "./table.ts";

export interface LiveChanges<C> {
  /** The old configuration with the new values of live options. */
  readonly config: C;
  /** Names of live options that changed. */
  readonly taken: readonly string[];
  /** Names of options that changed and need a new process. */
  readonly waiting: readonly string[];
}

/**
 * Splits a change into options that apply from now on and options that wait for the next start. The
 * relations between the result's options must be checked by loading it.
 */
export function takeLive<C extends object>(
  table: OptionTable<C>,
  before: C,
  after: C,
): LiveChanges<C> {
  const taken: string[] = [];
  const waiting: string[] = [];
  for (const { name, option } of optionRows(table)) {
    if (JSON.stringify(valueAt(before, name)) !== JSON.stringify(valueAt(after, name)))
      (option.live ? taken : waiting).push(name);
  }
  return { config: merge(table.options, before, after) as C, taken, waiting };
}

/** An option's value by its name. */
export function valueAt(config: object, name: string): unknown {
  return name.split(".").reduce<unknown>(memberOf, config);
}

function memberOf(value: unknown, key: string): unknown {
  return Object.entries(value as object).find(([known]) => known === key)?.[1];
}

function merge(table: object, before: unknown, after: unknown): unknown {
  return Object.fromEntries(
    Object.entries(table).map(([key, entry]: [string, object]) => {
      const [old, next] = [memberOf(before, key), memberOf(after, key)];
      if (!isOption(entry)) return [key, merge(entry, old, next)];
      return [key, entry.live ? next : old];
    }),
  );
}
