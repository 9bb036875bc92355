// Owns: reading the configuration file, YAML or JSON, into values by option name, with their lines.
import { type Document, LineCounter, parseDocument } from "yaml";
import type { ConfigProblem, Given } from "./load.ts";
import { isOption } from "./table.ts";

/** Longest file that is read, in UTF-16 code units. */
const FILE_LENGTH_MAX = 1_000_000;

export interface ConfigFile {
  readonly given: readonly Given[];
  readonly problems: readonly ConfigProblem[];
}

/** Reads a file's text; `name` is for messages. Empty text is an empty configuration. */
export function readConfigFile(options: object, text: string, name: string): ConfigFile {
  if (text.length > FILE_LENGTH_MAX)
    return refusal(name, `${text.length} characters`, `at most ${FILE_LENGTH_MAX} characters`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [error] = document.errors;
  if (error !== undefined) {
    const line = error.linePos?.[0].line ?? 1;
    return refusal(
      `${name}:${line}`,
      error.message.split("\n")[0] ?? error.code,
      "YAML 1.2 or JSON",
    );
  }
  const content = contentOf(document);
  if (!content.ok) return refusal(name, content.found, "YAML 1.2 or JSON, with few aliases");
  if (content.value === null) return { given: [], problems: [] };
  if (!(content.value instanceof Map))
    return refusal(name, "something else than a map", "a map of options");
  const lineOf = (path: readonly string[]): string => {
    const node = document.getIn(path, true);
    const start =
      typeof node === "object" && node !== null && "range" in node
        ? (node.range as readonly number[] | undefined)?.[0]
        : undefined;
    if (start !== undefined) return `${name}:${lines.linePos(start).line}`;
    // What is missing has no place of its own: what it is missing in has one.
    return path.length === 0 ? name : lineOf(path.slice(0, -1));
  };
  const given: Given[] = [];
  const problems: ConfigProblem[] = [];
  collect({ table: options, values: content.value, path: [] }, { lineOf, given, problems });
  return { given, problems };
}

function contentOf(
  document: Document.Parsed,
): { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly found: string } {
  try {
    // Maps instead of objects: a key named __proto__ is only a key. The count of aliases is bounded
    // by the library (100).
    return { ok: true, value: document.toJS({ mapAsMap: true }) as unknown };
  } catch (error) {
    return { ok: false, found: error instanceof Error ? error.message : "unresolvable aliases" };
  }
}

interface Place {
  readonly table: object;
  readonly values: ReadonlyMap<unknown, unknown>;
  readonly path: readonly string[];
}

interface Out {
  readonly lineOf: (path: readonly string[]) => string;
  readonly given: Given[];
  readonly problems: ConfigProblem[];
}

function collect(place: Place, out: Out): void {
  for (const [key, value] of place.values) {
    const path = [...place.path, String(key)];
    const name = path.join(".");
    const entry: object | undefined = Object.entries(place.table).find(
      ([known]) => known === key,
    )?.[1];
    if (entry === undefined || isOption(entry)) {
      // An option left empty (`nodeId:`) counts as absent. Unknown names are refused when the
      // layers are merged.
      if (entry === undefined || value !== null)
        out.given.push({
          name,
          value,
          source: { kind: "file", where: out.lineOf(path) },
          placeOf: (at) => out.lineOf([...path, ...partsOf(at)]),
        });
    } else if (value instanceof Map) collect({ table: entry, values: value, path }, out);
    else if (value !== null)
      out.problems.push({
        option: name,
        where: out.lineOf(path),
        found: "a single value",
        allowed: `a map of ${Object.keys(entry).join(", ")}`,
      });
  }
}

/** `[0].scopes` as the keys to it. */
const partsOf = (at: string): readonly string[] =>
  [...at.matchAll(/\[(\d+)\]|\.([^.[]+)/g)].map(([, index, key]) => index ?? key ?? "");

function refusal(where: string, found: string, allowed: string): ConfigFile {
  return { given: [], problems: [{ option: "configuration file", where, found, allowed }] };
}
