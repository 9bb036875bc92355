// Owns: merging a configuration: flags win over environment, file and defaults, in this order. It
// reports every problem at once.
import { readConfigFile } from "./config-file.ts";
import { readEnv } from "./env.ts";
import type { Refused } from "./option.ts";
import { suggestion } from "./record.ts";
import { isOption, type OptionRow, type OptionTable, optionRows } from "./table.ts";

/**
 * Where a value came from. `where` is a place for people: `holdfast.yaml:12`, `HOLDFAST_PORT`,
 * `--port`.
 */
export interface Source {
  readonly kind: "default" | "program" | "file" | "env" | "flag";
  readonly where: string;
}

/** A row with an invalid value. `found` never holds a secret. */
export interface ConfigProblem {
  /** Name of the option, or the unknown name. */
  readonly option: string;
  readonly where: string;
  readonly found: string;
  readonly allowed: string;
}

export interface ConfigInput {
  /** Name of the file, for messages. */
  readonly file?: string;
  /** Its content, YAML or JSON. */
  readonly text?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Names with the table's prefix that are not options and belong to the program. */
  readonly envIgnored?: readonly string[];
  /** Values by option name (`limits.subscriptionsMax`). */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** The program's own defaults by option name, instead of the table's; `holdfast dev` has some. */
  readonly defaults?: Readonly<Record<string, unknown>>;
}

export type ConfigResult<C> =
  | {
      readonly ok: true;
      readonly config: C;
      /** By option name; every row has one. */
      readonly sources: ReadonlyMap<string, Source>;
      /** Values that were ignored on purpose, for people. */
      readonly notes: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** A value as it was given, before it is read. */
export interface Given {
  readonly name: string;
  readonly value: unknown;
  readonly source: Source;
  /** The place of a part of the value, such as `[0].scopes`. Absent: the value's own. */
  readonly placeOf?: (at: string) => string;
}

/**
 * Reads a configuration. Pure: the file's text and the environment are handed in. Later sources
 * win: defaults, file, environment, flags.
 */
export function loadConfig<C>(table: OptionTable<C>, input: ConfigInput): ConfigResult<C> {
  const rows = new Map(optionRows(table).map((row) => [row.name, row]));
  const problems: ConfigProblem[] = [];
  const file = readConfigFile(table.options, input.text ?? "", input.file ?? "the configuration");
  const env = readEnv(input.env ?? {}, table, input.envIgnored ?? []);
  problems.push(...file.problems, ...env.problems);
  const layers: readonly Given[][] = [
    given(input.defaults ?? {}, (name) => ({
      kind: "program",
      where: `the program's default of ${name}`,
    })),
    [...file.given],
    [...env.given],
    given(input.flags ?? {}, (name) => ({ kind: "flag", where: rows.get(name)?.flag ?? name })),
  ];
  const values = new Map<string, unknown>(
    [...rows].map(([name, row]) => [name, row.option.default]),
  );
  const sources = new Map<string, Source>(
    [...rows].map(([name]) => [name, { kind: "default", where: "default" }]),
  );
  const places = new Map<string, Given["placeOf"]>();
  for (const item of layers.flat()) {
    const row = rows.get(item.name);
    if (row === undefined) {
      problems.push(unknown(item, [...rows.keys()], table.page));
      continue;
    }
    const reading = row.option.read(item.value);
    if (!reading.ok)
      problems.push(...reading.refused.map((refused) => problem(row, item, refused)));
    else {
      values.set(item.name, reading.value);
      sources.set(item.name, item.source);
      places.set(item.name, item.placeOf);
    }
  }
  const config = assemble(table.options, "", values) as C;
  // Relations are checked even when a value was refused (its default stands in), so that one run
  // tells everything.
  for (const broken of table.broken(config)) {
    if (problems.some((known) => known.option.startsWith(broken.option))) continue;
    // A part of a value: `routes[2].path`.
    const [name = ""] = broken.option.split("[");
    const where =
      places.get(name)?.(broken.option.slice(name.length)) ?? sources.get(name)?.where ?? "default";
    problems.push({ ...broken, where });
  }
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, config, sources, notes: env.notes };
}

function given(
  values: Readonly<Record<string, unknown>>,
  source: (name: string) => Source,
): Given[] {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ({ name, value, source: source(name) }));
}

function unknown(item: Given, names: readonly string[], page: string): ConfigProblem {
  return {
    option: item.name,
    where: item.source.where,
    found: "an unknown option",
    allowed: suggestion(item.name, names, page),
  };
}

function problem(row: OptionRow, { source, placeOf }: Given, refused: Refused): ConfigProblem {
  // Entries have parts that are no secrets, and describe those that are.
  const isDescribed = row.option.kind === "entries" && refused.at !== undefined;
  const found =
    row.option.secret && !isDescribed ? describeSecret(refused.found) : show(refused.found);
  return {
    option: `${row.name}${refused.at ?? ""}`,
    where: placeOf?.(refused.at ?? "") ?? source.where,
    found,
    allowed: refused.allowed,
  };
}

function describeSecret(found: unknown): string {
  return typeof found === "string"
    ? `a hidden text of ${found.length} characters`
    : `a ${typeof found}`;
}

const SHOWN_LENGTH_MAX = 80;

function show(found: unknown): string {
  const shown =
    typeof found === "string"
      ? found
      : found instanceof Map
        ? "a map"
        : (JSON.stringify(found) ?? "nothing");
  return shown.length > SHOWN_LENGTH_MAX ? `${shown.slice(0, SHOWN_LENGTH_MAX)}...` : shown;
}

function assemble(
  table: object,
  prefix: string,
  values: ReadonlyMap<string, unknown>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(table).map(([key, entry]: [string, object]) => {
      const name = `${prefix}${key}`;
      return [key, isOption(entry) ? values.get(name) : assemble(entry, `${name}.`, values)];
    }),
  );
}

/** Problems as lines for people: row, place, what was found, what is allowed. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  return problems
    .map((p) => `  ${p.option} (${p.where})\n    found:   ${p.found}\n    allowed: ${p.allowed}`)
    .join("\n");
}
