// Owns: the check of one token: shape, algorithm, key, signature, registered claims.
import { decodeProtectedHeader, errors, jwtVerify } from "jose";
import type { JwtAlgorithm, KeyHint, KeyLookup, Otherwise, VerificationKey } from "./keys.ts";

export interface TokenRules {
  readonly algorithms: readonly JwtAlgorithm[];
  readonly issuer?: readonly string[];
  readonly audience?: readonly string[];
  /** How far clocks may differ. */
  readonly leewayMs: number;
  readonly requireExp: boolean;
  /** Longest time from `iat` to `exp`; both are required then. */
  readonly lifetimeMsMax?: number;
}

/** Codes as in the protocol's table: only `token_invalid` is final. */
export type TokenResult =
  | { readonly ok: true; readonly claims: Readonly<Record<string, unknown>> }
  | {
      readonly ok: false;
      readonly code: "token_invalid" | "token_expired";
      readonly message: string;
    }
  | {
      readonly ok: false;
      readonly code: "try_later";
      readonly message: string;
      readonly retryMs: number;
    };

interface Checker {
  readonly find: (hint: KeyHint) => Promise<KeyLookup>;
  readonly wallMs: () => number;
}

/**
 * If a token becomes valid within this time, the check waits for it: issuers' clocks differ from
 * ours.
 */
const NOT_YET_MS_MAX = 60_000;

/**
 * Checks a compact JWS. The header's algorithm must be in the allow-list, and `find` chooses keys
 * by kind, so that a public key never verifies an HMAC. `iat` is not compared with the clock (RFC
 * 7519 section 4.1.6). Never rejects; messages hold nothing of the token.
 */
export async function verifyToken(
  token: string,
  rules: TokenRules,
  { find, wallMs }: Checker,
): Promise<TokenResult> {
  const hint = readHint(token, rules.algorithms);
  if (typeof hint === "string") return invalid(hint);
  let lookup = await find(hint);
  let isSigned = false;
  for (let round = 0; ; round++) {
    isSigned ||= lookup.keys.length > 0;
    const result = await verifyWithAny(token, lookup.keys, rules, wallMs);
    if (result !== "other_key") return result;
    const { otherwise } = lookup;
    const fault = isSigned ? "bad signature" : "no key verifies it";
    if (otherwise.kind !== "again" || round === ROUNDS_MAX) return unverified(otherwise, fault);
    lookup = await otherwise.again();
  }
}

/** Configured keys, then those of the JWKS URL, then a newer set of those. */
const ROUNDS_MAX = 2;

function unverified(otherwise: Otherwise, fault: string): TokenResult {
  switch (otherwise.kind) {
    case "later":
      return {
        ok: false,
        code: "try_later",
        message: otherwise.message,
        retryMs: otherwise.retryMs,
      };
    case "withdrawn":
      return {
        ok: false,
        code: "token_expired",
        message: "the key that its header names was withdrawn",
      };
    case "again":
    case "refuse":
      return invalid(fault);
  }
}

function readHint(token: string, algorithms: readonly JwtAlgorithm[]): KeyHint | string {
  let header: { readonly alg?: unknown; readonly kid?: unknown };
  try {
    header = decodeProtectedHeader(token);
  } catch {
    return "not a signed JWT";
  }
  const alg = algorithms.find((allowed) => allowed === header.alg);
  if (alg === undefined) return `the algorithm is not one of ${algorithms.join(", ")}`;
  if (header.kid === undefined) return { alg };
  return typeof header.kid === "string" && header.kid.length <= 256
    ? { alg, kid: header.kid }
    : "unusable key id";
}

/** The next key is tried only if another key may have made the signature. */
async function verifyWithAny(
  token: string,
  keys: readonly VerificationKey[],
  rules: TokenRules,
  wallMs: () => number,
): Promise<TokenResult | "other_key"> {
  for (const key of keys) {
    const result = await verifyWith(token, key, rules, wallMs());
    if (result !== "other_key") return result;
  }
  return "other_key";
}

async function verifyWith(
  token: string,
  key: VerificationKey,
  rules: TokenRules,
  wallMs: number,
): Promise<TokenResult | "other_key"> {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: [...rules.algorithms],
      currentDate: new Date(wallMs),
      clockTolerance: rules.leewayMs / 1000,
      ...(rules.issuer === undefined ? {} : { issuer: [...rules.issuer] }),
      ...(rules.audience === undefined ? {} : { audience: [...rules.audience] }),
      requiredClaims: requiredClaims(rules),
    });
    const fault = lifetimeFault(payload, rules);
    return fault === undefined ? { ok: true, claims: payload } : invalid(fault);
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) return "other_key";
    if (error instanceof errors.JWTExpired) {
      return { ok: false, code: "token_expired", message: "the token is past its exp" };
    }
    if (error instanceof errors.JWTClaimValidationFailed) return claimFault(error, rules, wallMs);
    return invalid("not a signed JWT");
  }
}

/** Our own texts: jose's errors may carry claims. */
function claimFault(
  { claim, reason, payload }: errors.JWTClaimValidationFailed,
  { leewayMs }: TokenRules,
  wallMs: number,
): TokenResult {
  if (claim === "nbf" && typeof payload.nbf === "number") {
    const retryMs = Math.ceil(payload.nbf * 1000 - leewayMs - wallMs);
    const message = "the token does not hold yet: claim nbf is in the future";
    if (retryMs <= NOT_YET_MS_MAX) {
      return { ok: false, code: "try_later", message, retryMs: Math.max(1, retryMs) };
    }
    return invalid(`${message}, by more than ${NOT_YET_MS_MAX / 1000} s`);
  }
  return invalid(
    `claim ${claim} is ${reason === "missing" ? "missing" : "not what this node wants"}`,
  );
}

function requiredClaims(rules: TokenRules): string[] {
  if (rules.lifetimeMsMax !== undefined) return ["exp", "iat"];
  return rules.requireExp ? ["exp"] : [];
}

function lifetimeFault(
  { exp, iat }: { readonly exp?: number; readonly iat?: number },
  { lifetimeMsMax }: TokenRules,
): string | undefined {
  if (lifetimeMsMax === undefined || exp === undefined || iat === undefined) return undefined;
  return (exp - iat) * 1000 > lifetimeMsMax
    ? "the time from iat to exp is longer than this node allows"
    : undefined;
}

const invalid = (message: string): TokenResult => ({ ok: false, code: "token_invalid", message });
