// Owns: reading the rules of the profile replay: which frames are meant.
import { entriesOf, type Reading, type Refused, refuse } from "@holdfast/config";
import type { Match, Remembered } from "@holdfast/rehoming";
import { below } from "./fields.ts";

export const MATCH_ALLOWED = "{prefix: TEXT}, or {json: {PATH: VALUE}}";
export const MATCHES_ALLOWED = `a list of ${MATCH_ALLOWED}`;
export const SETUP_ALLOWED = "a list of maps with match, and perhaps key and until";

const RULES_MAX = 50;
const TEXT_LENGTH_MAX = 200;
const PATH = /^[^.]{1,60}(\.[^.]{1,60}){0,9}$/;

export function readSetup(found: unknown): Reading<readonly Remembered[]> {
  return readList(found, SETUP_ALLOWED, readRemembered);
}

export function readMatches(found: unknown): Reading<readonly Match[] | undefined> {
  return readList(found, MATCHES_ALLOWED, readMatch);
}

function readList<T>(
  found: unknown,
  allowed: string,
  read: (item: unknown) => Reading<T>,
): Reading<readonly T[]> {
  if (!Array.isArray(found)) return refuse(found, allowed);
  if (found.length > RULES_MAX) return refuse(`${found.length} items`, `at most ${RULES_MAX}`);
  const refused: Refused[] = [];
  const values: T[] = [];
  for (const [index, item] of found.entries()) {
    const reading = read(item);
    if (reading.ok) values.push(reading.value);
    else refused.push(...below(`[${index}]`, reading.refused));
  }
  return refused.length > 0 ? { ok: false, refused } : { ok: true, value: values };
}

function readRemembered(found: unknown): Reading<Remembered> {
  const fields = entriesOf(found);
  if (fields === undefined) return refuse(found, "a map with match, and perhaps key and until");
  const refused: Refused[] = [...fields.keys()]
    .filter((key) => !["match", "key", "until"].includes(key))
    .map((key) => ({ at: `.${key}`, found: "an unknown key", allowed: "match, key, until" }));
  const match = readMatch(fields.get("match"));
  if (!match.ok) refused.push(...below(".match", match.refused));
  const until = fields.has("until") ? readMatch(fields.get("until")) : undefined;
  if (until?.ok === false) refused.push(...below(".until", until.refused));
  const key = fields.get("key");
  if (key !== undefined && !isPath(key))
    refused.push({ at: ".key", found: key, allowed: "names joined by dots" });
  if (refused.length > 0 || !match.ok) return { ok: false, refused };
  return {
    ok: true,
    value: {
      match: match.value,
      ...(isPath(key) ? { key } : {}),
      ...(until?.ok === true ? { until: until.value } : {}),
    },
  };
}

function readMatch(found: unknown): Reading<Match> {
  const fields = entriesOf(found);
  const [only, ...rest] = [...(fields ?? [])];
  if (only === undefined || rest.length > 0) return refuse(found ?? "nothing", MATCH_ALLOWED);
  const [kind, value] = only;
  if (kind === "prefix") {
    if (typeof value === "string" && value !== "" && value.length <= TEXT_LENGTH_MAX)
      return { ok: true, value: { prefix: value } };
    const allowed = `1 to ${TEXT_LENGTH_MAX} characters`;
    return { ok: false, refused: [{ at: ".prefix", found: value, allowed }] };
  }
  if (kind !== "json")
    return {
      ok: false,
      refused: [{ at: `.${kind}`, found: "an unknown key", allowed: MATCH_ALLOWED }],
    };
  const wanted = [...(entriesOf(value) ?? [])];
  const bad = wanted.find(([path, one]) => !isPath(path) || !isPlain(one));
  if (wanted.length === 0 || wanted.length > RULES_MAX || bad !== undefined)
    return {
      ok: false,
      refused: [
        {
          at: bad === undefined ? ".json" : `.json.${bad[0]}`,
          found: bad === undefined ? value : bad[1],
          allowed: "texts, numbers, true, false or null, by paths of names joined by dots",
        },
      ],
    };
  return { ok: true, value: { json: Object.fromEntries(wanted as [string, Plain][]) } };
}

type Plain = string | number | boolean | null;

const isPath = (value: unknown): value is string => typeof value === "string" && PATH.test(value);
const isPlain = (value: unknown): value is Plain =>
  value === null || ["string", "number", "boolean"].includes(typeof value);
