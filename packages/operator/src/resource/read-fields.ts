// Owns: the reading of stored JSON by a table of fields: defaults are filled in, limits and rules
// are checked, and everything that is wrong is told at once.
import type { Field, ListField, Rule, SectionField, Stored, TextField } from "./fields.ts";

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Problems that are told at most. */
const PROBLEMS_MAX = 20;

/** Reads a value that the API server stored. `name` stands before each problem. */
export function readField<T extends Field>(
  field: T,
  found: unknown,
  name: string,
): Read<Stored<T>> {
  const problems: string[] = [];
  const value = readValue(field, found, { at: name, problems });
  if (problems.length > 0) return { ok: false, problems: problems.slice(0, PROBLEMS_MAX) };
  return { ok: true, value: value as Stored<T> };
}

interface Place {
  readonly at: string;
  readonly problems: string[];
}

function readValue(field: Field, found: unknown, place: Place): unknown {
  const before = place.problems.length;
  const value = plain(field, found, place);
  if (place.problems.length === before)
    for (const rule of field.rules ?? []) check(rule, value, place);
  return value;
}

function plain(field: Field, found: unknown, place: Place): unknown {
  switch (field.is) {
    case "integer": {
      const fits =
        typeof found === "number" &&
        Number.isSafeInteger(found) &&
        found >= field.min &&
        found <= field.max;
      return fits ? found : refuse(place, found, `a whole number from ${range(field)}`);
    }
    case "decimal":
      return typeof found === "number" && Number.isFinite(found)
        ? found
        : refuse(place, found, "a number");
    case "boolean":
      return typeof found === "boolean" ? found : refuse(place, found, "true or false");
    case "text":
      return textOf(field, found, place);
    case "texts": {
      const fits = isMap(found) && Object.values(found).every((value) => typeof value === "string");
      return fits ? found : refuse(place, found, "a map of texts");
    }
    case "list":
      return itemsOf(field, found, place);
    case "section":
      return sectionOf(field, found, place);
  }
}

const range = ({ min, max }: { readonly min: number; readonly max: number }): string =>
  `${min} to ${max}`;

function textOf(field: TextField, found: unknown, place: Place): unknown {
  const { choices, pattern, lengthMin = 0, lengthMax } = field;
  if (typeof found !== "string") return refuse(place, found, "a text");
  if (choices !== undefined && !choices.includes(found))
    return refuse(place, found, choices.join(" or "));
  if (found.length < lengthMin || found.length > lengthMax)
    return refuse(place, found, `a text of ${lengthMin} to ${lengthMax} characters`);
  if (pattern !== undefined && !new RegExp(pattern, "u").test(found))
    return refuse(place, found, `a text like ${pattern}`);
  return found;
}

function itemsOf(field: ListField, found: unknown, { at, problems }: Place): unknown {
  const fits =
    Array.isArray(found) && found.length >= field.countMin && found.length <= field.countMax;
  if (!fits)
    return refuse({ at, problems }, found, `a list of ${field.countMin} to ${field.countMax}`);
  return found.map((item, index) =>
    readValue(field.items, item, { at: `${at}[${index}]`, problems }),
  );
}

function sectionOf(field: SectionField, found: unknown, { at, problems }: Place): unknown {
  if (!isMap(found)) return refuse({ at, problems }, found, "an object");
  const value: Record<string, unknown> = field.isOpen === true ? { ...found } : {};
  for (const [name, inner] of Object.entries(field.fields as Record<string, Field>)) {
    const inside = { at: `${at}.${name}`, problems };
    const given = found[name] ?? inner.default;
    if (given !== undefined) value[name] = readValue(inner, given, inside);
    else if (field.required.includes(name)) problems.push(`${inside.at} is missing`);
  }
  return value;
}

function check({ holds, cel }: Rule, value: unknown, { at, problems }: Place): void {
  if (holds === undefined || (holds as (value: unknown) => boolean)(value)) return;
  problems.push(`${at} breaks the rule ${cel}`);
}

function refuse({ at, problems }: Place, found: unknown, expected: string): undefined {
  problems.push(`${at} is ${shown(found)}, expected ${expected}`);
  return undefined;
}

function shown(found: unknown): string {
  const json = JSON.stringify(found) ?? "absent";
  return json.length > 60 ? `${json.slice(0, 57)}...` : json;
}

export const isMap = (found: unknown): found is Record<string, unknown> =>
  typeof found === "object" && found !== null && !Array.isArray(found);
