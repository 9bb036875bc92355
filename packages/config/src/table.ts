// Owns: what a table of options is: rows nested as their names are, and the rules between them.
// Each program passes its own table to this package.
import type { Option } from "./option.ts";

/** A rule between options that does not hold. */
export interface BrokenRelation {
  /** The option to change first. */
  readonly option: string;
  readonly found: string;
  readonly allowed: string;
}

/** The options of a program. `C` is what they make: the table's shape with a value for each row. */
export interface OptionTable<C> {
  /** Options, and maps of them, by name. */
  readonly options: object;
  /** Prefix of names in the environment: `HOLDFAST_`. */
  readonly envPrefix: string;
  /** Where people read about the options, for refusals. */
  readonly page: string;
  /** Every rule that does not hold, in the order in which they are to be told. */
  broken(config: C): readonly BrokenRelation[];
}

export type ValuesOf<Options> = {
  readonly [Name in keyof Options]: Options[Name] extends Option<infer Value>
    ? Value
    : ValuesOf<Options[Name]>;
};

/** A row with its names. */
export interface OptionRow {
  /** `limits.subscriptionsMax` */
  readonly name: string;
  /** `HOLDFAST_LIMITS_SUBSCRIPTIONS_MAX` */
  readonly env: string;
  /** `--limits-subscriptions-max`; undefined if a value must not or cannot be an argument. */
  readonly flag: string | undefined;
  readonly option: Option<unknown>;
}

/** Every row of the table, in its order. */
export function optionRows(
  table: Pick<OptionTable<never>, "options" | "envPrefix">,
): readonly OptionRow[] {
  return rowsOf(table.options, "", table.envPrefix);
}

function rowsOf(options: object, path: string, envPrefix: string): readonly OptionRow[] {
  return Object.entries(options).flatMap(([key, entry]: [string, object]) => {
    const name = `${path}${key}`;
    return isOption(entry) ? [rowOf(name, entry, envPrefix)] : rowsOf(entry, `${name}.`, envPrefix);
  });
}

export function isOption(entry: object): entry is Option<unknown> {
  return "isOption" in entry;
}

function rowOf(name: string, option: Option<unknown>, envPrefix: string): OptionRow {
  const words = name.replaceAll(".", "_").replaceAll(/([a-z])([A-Z])/g, "$1_$2");
  const flag =
    option.secret || option.kind === "map"
      ? undefined
      : `--${words.replaceAll("_", "-").toLowerCase()}`;
  return { name, env: `${envPrefix}${words.toUpperCase()}`, flag, option };
}
