// Owns: a value that is one of several kinds, each with fields of its own: profiles, services.
import { entriesOf, nearestName, type Reading, refuse } from "@holdfast/config";
import { below } from "./fields.ts";

/** Reads the fields of one kind. */
export interface Kind<T> {
  read(found: unknown): Reading<T>;
}

/** `{kind: NAME, ...}`, or NAME alone if all of its fields have defaults. */
export function readNamedKind<T>(
  kinds: Readonly<Record<string, Kind<T>>>,
  found: unknown,
): Reading<T> {
  const allowed = `one of ${Object.keys(kinds).join(", ")}, or a map with kind and its options`;
  const fields = typeof found === "string" ? new Map<string, unknown>() : entriesOf(found);
  if (fields === undefined) return refuse(found, allowed);
  const name = typeof found === "string" ? found : fields.get("kind");
  const kind = entryOf(kinds, name);
  if (kind === undefined)
    return typeof found === "string"
      ? refuse(found, meant(name, kinds) ?? allowed)
      : {
          ok: false,
          refused: [
            { at: ".kind", found: name ?? "nothing", allowed: meant(name, kinds) ?? allowed },
          ],
        };
  return kind.read(new Map([...fields].filter(([key]) => key !== "kind")));
}

/** A map with exactly one key, which is the kind: `{static: [...]}`. */
export function readKeyedKind<T>(
  kinds: Readonly<Record<string, Kind<T>>>,
  found: unknown,
): Reading<T> {
  const allowed = `a map with one of ${Object.keys(kinds).join(", ")}`;
  const fields = entriesOf(found);
  if (fields === undefined) return refuse(found, allowed);
  const [only, ...rest] = [...fields];
  if (only === undefined || rest.length > 0) return refuse(`${fields.size} keys`, allowed);
  const [name, value] = only;
  const kind = entryOf(kinds, name);
  if (kind === undefined)
    return {
      ok: false,
      refused: [
        { at: `.${name}`, found: "an unknown kind", allowed: meant(name, kinds) ?? allowed },
      ],
    };
  const reading = kind.read(value);
  return reading.ok ? reading : { ok: false, refused: below(`.${name}`, reading.refused) };
}

function entryOf<T>(kinds: Readonly<Record<string, T>>, name: unknown): T | undefined {
  return typeof name === "string" && Object.hasOwn(kinds, name) ? kinds[name] : undefined;
}

function meant(name: unknown, kinds: object): string | undefined {
  const nearest = typeof name === "string" ? nearestName(name, Object.keys(kinds)) : undefined;
  return nearest === undefined ? undefined : `did you mean ${nearest}?`;
}
