// Owns: reading a map by a table of options, as a route is: each refusal says where it stands.
import {
  entriesOf,
  isOption,
  type Option,
  type Reading,
  type Refused,
  refuse,
  unknownKeys,
  type ValuesOf,
} from "@holdfast/config";

/** A field that must be given. */
export interface NeededOption<T> extends Option<T> {
  readonly isNeeded: true;
}

/** The same field, which must be given. */
export function needed<T>(option: Option<T | undefined>): NeededOption<T> {
  return { ...(option as Option<T>), isNeeded: true };
}

/** A field of a table, for its reference. */
export interface FieldRow {
  /** `health.failuresMax` */
  readonly name: string;
  readonly option: Option<unknown>;
  readonly isNeeded: boolean;
}

/** Reads every field; what is absent has its default. Reports everything that is wrong. */
export function readFields<T extends object>(table: T, found: unknown): Reading<ValuesOf<T>> {
  const fields = entriesOf(found);
  if (fields === undefined) return refuse(found, `a map of ${Object.keys(table).join(", ")}`);
  const refused: Refused[] = [...unknownKeys(fields, Object.keys(table), "")];
  const values: [string, unknown][] = [];
  for (const [name, entry] of Object.entries(table) as [string, object][]) {
    const reading = readField(entry, fields.get(name) ?? undefined);
    if (reading.ok) values.push([name, reading.value]);
    else refused.push(...below(`.${name}`, reading.refused));
  }
  return refused.length > 0
    ? { ok: false, refused }
    : { ok: true, value: Object.fromEntries(values) as ValuesOf<T> };
}

/** Refusals of a part, as refusals of the whole. */
export const below = (at: string, refused: readonly Refused[]): readonly Refused[] =>
  refused.map((one) => ({ ...one, at: `${at}${one.at ?? ""}` }));

/** Every field of a table, in its order. */
export function fieldRows(table: object, path = ""): readonly FieldRow[] {
  return Object.entries(table).flatMap(([key, entry]: [string, object]) => {
    const name = `${path}${key}`;
    return isOption(entry)
      ? [{ name, option: entry, isNeeded: isNeeded(entry) }]
      : fieldRows(entry, `${name}.`);
  });
}

function readField(entry: object, found: unknown): Reading<unknown> {
  if (!isOption(entry)) return readFields(entry, found ?? {});
  if (found !== undefined) return entry.read(found);
  return isNeeded(entry) ? refuse("nothing", entry.allowed) : { ok: true, value: entry.default };
}

const isNeeded = (entry: Option<unknown>): boolean => "isNeeded" in entry;
