// Owns: who may call the HTTP API: keys as hashes, compared in constant time, and the bound on
// wrong ones.
import { createHash, timingSafeEqual } from "node:crypto";
import type { ApiKeyOf } from "@holdfast/config";
import type { ApiScope } from "../options/index.ts";

export interface Caller<Scope extends string = ApiScope> {
  /** The key's name, for logs. */
  readonly name: string;
  may(scope: Scope): boolean;
}

export interface ApiKeys<Scope extends string = ApiScope> {
  /**
   * Who presents this Authorization header, or undefined. Takes the same time whichever key it is,
   * or none.
   */
  find(authorization: string | null): Caller<Scope> | undefined;
}

/**
 * A key's text is given up at once; what stays is its SHA-256. Keys are random and long, so a fast
 * hash is enough. Scope `*` is all of them.
 */
export function createApiKeys<Scope extends string = ApiScope>(
  keys: readonly ApiKeyOf<Scope>[],
): ApiKeys<Scope> {
  const known = keys.map(({ name, key, keyHash, scopes }) => {
    const hash =
      key === undefined ? Buffer.from((keyHash ?? "").replace(/^sha256:/, ""), "hex") : sha256(key);
    if (hash.length !== HASH_BYTES) throw new ApiKeyError(name);
    const allowed = new Set<string>(scopes);
    return {
      hash,
      caller: { name, may: (scope: Scope) => allowed.has("*") || allowed.has(scope) },
    };
  });
  return {
    find(authorization) {
      const presented =
        authorization === null || authorization.length > HEADER_LENGTH_MAX
          ? null
          : /^bearer +(\S.*)$/i.exec(authorization);
      if (presented === null) return undefined;
      const hash = sha256(presented[1] ?? "");
      let found: Caller<Scope> | undefined;
      for (const { hash: expected, caller } of known)
        if (timingSafeEqual(hash, expected)) found = caller;
      return found;
    },
  };
}

const HASH_BYTES = 32;
const HEADER_LENGTH_MAX = 1024;
const sha256 = (text: string): Buffer => createHash("sha256").update(text, "utf8").digest();

/** A key's hash has the wrong form; thrown at start. */
export class ApiKeyError extends Error {
  readonly code = "api_key_invalid";
  constructor(name: string) {
    super(`API key ${name}: keyHash is not sha256: and 64 hexadecimal digits`);
    this.name = "ApiKeyError";
  }
}

export interface FailureLimit {
  /** Counts a wrong key from the address; ms to wait when it is over the limit. */
  failed(address: string): number | undefined;
}

/**
 * Wrong keys for each address: `failuresMax` in `windowMs`. Known keys are never held up by others'
 * wrong ones, since many callers may share an address behind a proxy. Beyond `addressesMax` the
 * address that failed first is forgotten.
 */
export function createFailureLimit(
  nowMs: () => number,
  {
    failuresMax = 20,
    windowMs = 60_000,
    addressesMax = 10_000,
  }: { failuresMax?: number; windowMs?: number; addressesMax?: number } = {},
): FailureLimit {
  const failures = new Map<string, { count: number; readonly startedAtMs: number }>();
  return {
    failed(address) {
      const now = nowMs();
      let entry = failures.get(address);
      if (entry === undefined || now - entry.startedAtMs >= windowMs) {
        entry = { count: 0, startedAtMs: now };
        failures.delete(address);
        failures.set(address, entry);
        const oldest = failures.keys().next();
        if (failures.size > addressesMax && !oldest.done) failures.delete(oldest.value);
      }
      entry.count += 1;
      return entry.count > failuresMax ? Math.ceil(entry.startedAtMs + windowMs - now) : undefined;
    },
  };
}
