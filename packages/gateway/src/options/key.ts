// Owns: reading which part of a request says whom or what it is for.
import { entriesOf, type Reading, refuse } from "@holdfast/config";
import { isToken } from "./forms.ts";

/** Such as the part that names the room, so that clients of one room share an endpoint. */
export interface KeyOptions {
  readonly from: "header" | "cookie" | "query";
  readonly name: string;
}

export const KEY_ALLOWED = "a map with one of header, cookie, query, and its name";

export function readKey(found: unknown): Reading<KeyOptions> {
  const [only, ...rest] = [...(entriesOf(found) ?? [])];
  if (only === undefined || rest.length > 0) return refuse(found, KEY_ALLOWED);
  const [from, name] = only;
  if (from !== "header" && from !== "cookie" && from !== "query")
    return {
      ok: false,
      refused: [{ at: `.${from}`, found: "an unknown key", allowed: KEY_ALLOWED }],
    };
  if (typeof name !== "string" || !isToken(name))
    return { ok: false, refused: [{ at: `.${from}`, found: name, allowed: "a name" }] };
  return { ok: true, value: { from, name } };
}
