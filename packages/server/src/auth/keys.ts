// Owns: the keys that verify tokens, and which of them may check a given token.
import { createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { type CryptoKey, createLocalJWKSet, errors, type JWK } from "jose";
import { AuthConfigError } from "./config-error.ts";

/** Algorithms that a node can be told to accept. */
export const JWT_ALGORITHMS = ["HS256", "RS256", "ES256", "EdDSA"] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

/** RFC 7518 section 3.2: as many bytes as the hash has. */
const HMAC_SECRET_BYTES_MIN = 32;
const RSA_BITS_MIN = 2048;
/** Most keys tried for one token: a token without a key id must not cause unbounded work. */
export const CANDIDATES_MAX = 8;
export const STATIC_KEYS_MAX = 32;

export type VerificationKey = CryptoKey | KeyObject;

/** The part of a token's header that chooses keys. Nothing in it is verified yet. */
export interface KeyHint {
  readonly alg: JwtAlgorithm;
  readonly kid?: string;
}

/** The keys to try, in this order, and what it means that none of them verifies a token. */
export interface KeyLookup {
  readonly keys: readonly VerificationKey[];
  readonly otherwise: Otherwise;
}

export type Otherwise =
  | { readonly kind: "refuse" }
  /** The key that the header names is no longer in use: a fresh token has another one. */
  | { readonly kind: "withdrawn" }
  /** The node cannot know now whether there is such a key. */
  | { readonly kind: "later"; readonly message: string; readonly retryMs: number }
  /** Looks once more, for newer keys. */
  | { readonly kind: "again"; readonly again: () => Promise<KeyLookup> };

/** HMAC secrets (text, at least 32 bytes each), used for HS256 only. */
export function secretKeys(secrets: readonly string[]): readonly KeyObject[] {
  if (secrets.length > CANDIDATES_MAX)
    throw new AuthConfigError("jwt.secrets", `more than ${CANDIDATES_MAX}`);
  return secrets.map((secret, index) => {
    const bytes = Buffer.from(secret, "utf8");
    if (bytes.length < HMAC_SECRET_BYTES_MIN) {
      throw new AuthConfigError(
        `jwt.secrets[${index}]`,
        `shorter than ${HMAC_SECRET_BYTES_MIN} bytes`,
      );
    }
    return createSecretKey(bytes);
  });
}

/**
 * Public keys given as PEM (a key or a certificate), as a JWK, or as a list or set of JWKs (JSON
 * text). Private and symmetric keys are refused: a node that checks tokens must not have the key
 * that signs them.
 */
export function publicKeys(
  texts: readonly string[],
): (hint: KeyHint) => Promise<readonly VerificationKey[]> {
  const keys = texts.flatMap((text, index) =>
    readPublicKey(text.trim(), `jwt.publicKeys[${index}]`),
  );
  if (keys.length > STATIC_KEYS_MAX)
    throw new AuthConfigError("jwt.publicKeys", `more than ${STATIC_KEYS_MAX} keys`);
  const named = createLocalJWKSet({ keys });
  // A key without an id (PEM never has one) may serve a token that names one.
  const nameless = createLocalJWKSet({ keys: keys.filter((key) => key.kid === undefined) });
  return async ({ alg, kid }) => {
    if (kid === undefined) return candidates(named, { alg });
    const exact = await candidates(named, { alg, kid });
    return exact.length > 0 ? exact : candidates(nameless, { alg });
  };
}

/**
 * The keys of a set that fit the hint, at most CANDIDATES_MAX; jose matches key type, curve, `use`
 * and `alg` of each.
 */
export async function candidates(
  set: ReturnType<typeof createLocalJWKSet>,
  hint: { readonly alg: string; readonly kid?: string },
): Promise<readonly CryptoKey[]> {
  try {
    return [await set(hint)];
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return [];
    const keys: CryptoKey[] = [];
    for await (const key of error) {
      keys.push(key);
      if (keys.length === CANDIDATES_MAX) break;
    }
    return keys;
  }
}

function readPublicKey(text: string, path: string): readonly JWK[] {
  if (text.startsWith("{") || text.startsWith("[")) return readJwks(text, path);
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    throw new AuthConfigError(path, "is a private key; give the public one");
  try {
    const key = createPublicKey(text);
    checkStrength(key, path);
    return [key.export({ format: "jwk" }) as JWK];
  } catch (cause) {
    if (cause instanceof AuthConfigError) throw cause;
    throw new AuthConfigError(path, "is neither a PEM public key or certificate nor a JWK", {
      cause,
    });
  }
}

function readJwks(text: string, path: string): readonly JWK[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AuthConfigError(path, "is not JSON"); // The cause is left out: it quotes the text.
  }
  const set = Array.isArray(value) ? value : (value as { keys?: unknown }).keys;
  const list = (Array.isArray(set) ? set : [value]) as readonly JWK[];
  for (const jwk of list) {
    if (typeof jwk !== "object" || jwk === null || typeof jwk.kty !== "string")
      throw new AuthConfigError(path, "is not a JWK");
    if (jwk.kty === "oct")
      throw new AuthConfigError(path, "is a symmetric key; give it as a secret");
    if (jwk.d !== undefined)
      throw new AuthConfigError(path, "is a private key; give the public one");
    try {
      checkStrength(createPublicKey({ key: jwk, format: "jwk" }), path);
    } catch (cause) {
      if (cause instanceof AuthConfigError) throw cause;
      throw new AuthConfigError(path, "is not a JWK of a known type", { cause });
    }
  }
  return list;
}

function checkStrength(key: KeyObject, path: string): void {
  const details = key.asymmetricKeyDetails;
  const kind = key.asymmetricKeyType;
  if (kind === "rsa" && (details?.modulusLength ?? 0) < RSA_BITS_MIN)
    throw new AuthConfigError(path, `RSA below ${RSA_BITS_MIN} bits`);
  const usable =
    kind === "rsa" || kind === "ed25519" || (kind === "ec" && details?.namedCurve === "prime256v1");
  if (!usable)
    throw new AuthConfigError(path, "serves none of RS256, ES256 (P-256) and EdDSA (Ed25519)");
}
