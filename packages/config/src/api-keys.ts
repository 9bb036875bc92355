// Owns: the form of lists of API keys: who may call a program's HTTP API, and what for.
import type { Reading, Refused } from "./option.ts";
import { entriesOf, unknownKeys } from "./record.ts";
import { parseList } from "./values.ts";

/**
 * One key. Exactly one of `key` (the secret itself) and `keyHash` (`sha256:` and 64 hexadecimal
 * digits) is given.
 */
export interface ApiKeyOf<Scope extends string> {
  /** For logs and metrics; unique. */
  readonly name: string;
  readonly key?: string;
  readonly keyHash?: string;
  readonly scopes: readonly Scope[];
}

/** What a row of a table needs for keys with these scopes. */
export interface ApiKeyForm<Scope extends string> {
  readonly allowed: string;
  /** Reads a list of keys, or JSON text of one. */
  read(found: unknown): Reading<readonly ApiKeyOf<Scope>[]>;
  /** Names and scopes, for people. */
  shown(keys: readonly ApiKeyOf<Scope>[]): unknown;
}

/** Shortest key that is accepted, in UTF-16 code units: 32 characters of base 32 are 160 bits. */
export const API_KEY_LENGTH_MIN = 32;
const KEYS_MAX = 100;
const FIELDS = ["name", "key", "keyHash", "scopes"];
const API_KEYS_ALLOWED = "a list of {name, key or keyHash, scopes}";

/** The form of keys of a program with these scopes. */
export function apiKeyForm<Scope extends string>(known: readonly Scope[]): ApiKeyForm<Scope> {
  return {
    allowed: API_KEYS_ALLOWED,
    read: (found) => readKeys(found, known),
    shown: (keys) => keys.map(({ name, scopes }) => ({ name, key: "(hidden)", scopes })),
  };
}

function readKeys<Scope extends string>(
  found: unknown,
  known: readonly Scope[],
): Reading<readonly ApiKeyOf<Scope>[]> {
  const items = parseList(found);
  if (items === undefined)
    return { ok: false, refused: [{ found: typeof found, allowed: API_KEYS_ALLOWED }] };
  if (items.length > KEYS_MAX)
    return {
      ok: false,
      refused: [{ found: `${items.length} keys`, allowed: `at most ${KEYS_MAX} keys` }],
    };
  const refused: Refused[] = [];
  const keys: ApiKeyOf<Scope>[] = [];
  for (const [index, item] of items.entries()) {
    const key = readKey(item, `[${index}]`, { known, refused });
    if (key === undefined) continue;
    if (keys.some((other) => other.name === key.name))
      refused.push({
        at: `[${index}].name`,
        found: key.name,
        allowed: "a name that no other key has",
      });
    keys.push(key);
  }
  return refused.length > 0 ? { ok: false, refused } : { ok: true, value: keys };
}

interface Readings<Scope extends string> {
  readonly known: readonly Scope[];
  readonly refused: Refused[];
}

function readKey<Scope extends string>(
  item: unknown,
  at: string,
  { known, refused }: Readings<Scope>,
): ApiKeyOf<Scope> | undefined {
  const fields = entriesOf(item);
  const before = refused.length;
  if (fields === undefined) {
    refused.push({
      at,
      found: typeof item,
      allowed: "a map with name, key or keyHash, and scopes",
    });
    return undefined;
  }
  refused.push(...unknownKeys(fields, FIELDS, at));
  const name = fields.get("name");
  if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name))
    refused.push({
      at: `${at}.name`,
      found: name,
      allowed: "1 to 64 letters, digits, dots, dashes, underscores",
    });
  const secret = readSecret(fields, at, refused);
  const scopes = readScopes(fields.get("scopes"), at, { known, refused });
  return refused.length > before || typeof name !== "string"
    ? undefined
    : { name, ...secret, scopes };
}

function readSecret(
  fields: ReadonlyMap<string, unknown>,
  at: string,
  refused: Refused[],
): Pick<ApiKeyOf<string>, "key" | "keyHash"> {
  const key = fields.get("key");
  const keyHash = fields.get("keyHash");
  // The value is a secret or nearly one: it is described, never shown.
  if ((key === undefined) === (keyHash === undefined)) {
    refused.push({
      at,
      found: key === undefined ? "neither key nor keyHash" : "both key and keyHash",
      allowed: "one of key and keyHash",
    });
    return {};
  }
  if (keyHash !== undefined) {
    if (typeof keyHash === "string" && /^sha256:[0-9a-f]{64}$/.test(keyHash)) return { keyHash };
    refused.push({
      at: `${at}.keyHash`,
      found: "another form",
      allowed: "sha256: and 64 hexadecimal digits (holdfast keygen prints one)",
    });
    return {};
  }
  if (typeof key === "string" && key.length >= API_KEY_LENGTH_MIN) return { key };
  const found = typeof key === "string" ? `${key.length} characters` : typeof key;
  refused.push({ at: `${at}.key`, found, allowed: `at least ${API_KEY_LENGTH_MIN} characters` });
  return {};
}

function readScopes<Scope extends string>(
  found: unknown,
  at: string,
  { known, refused }: Readings<Scope>,
): readonly Scope[] {
  const items = parseList(found);
  if (items === undefined || items.length === 0) {
    refused.push({ at: `${at}.scopes`, found, allowed: `a list of ${known.join(", ")}` });
    return [];
  }
  const scopes: Scope[] = [];
  for (const item of items) {
    const scope = known.find((one) => one === item);
    if (scope === undefined)
      refused.push({ at: `${at}.scopes`, found: item, allowed: known.join(", ") });
    else scopes.push(scope);
  }
  return scopes;
}
