// Owns: the check of one token: shape, algorithm, key, signature, registered claims.
import { decodeProtectedHeader, errors, jwtVerify } from "jose";
import type { JwtAlgorithm, KeyHint, KeyLookup, VerificationKey } from "./keys.ts";

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

/**
 * Checks a compact JWS. The header is believed only as far as the allow-list goes, and `find` hands
 * out keys by kind, so that a public key never verifies an HMAC. Never rejects; messages hold
 * nothing of the token.
 */
export async function verifyToken(
  token: string,
  rules: TokenRules,
  deps: { readonly find: (hint: KeyHint) => Promise<KeyLookup>; readonly wallMs: () => number },
): Promise<TokenResult> {
  const hint = readHint(token, rules.algorithms);
  if (typeof hint === "string") return invalid(hint);
  const lookup = await deps.find(hint);
  if (lookup.kind === "unknown")
    return { ok: false, code: "try_later", message: lookup.message, retryMs: lookup.retryMs };
  if (lookup.kind === "none" || lookup.keys.length === 0) return invalid("no key verifies it");
  for (const key of lookup.keys) {
    const result = await verifyWith(token, key, rules, deps.wallMs());
    // Only a signature that another key may have made goes on to the next.
    if (result !== "other_key") return result;
  }
  return invalid("bad signature");
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
    const fault = lifetimeFault(payload, rules, wallMs);
    return fault === undefined ? { ok: true, claims: payload } : invalid(fault);
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) return "other_key";
    if (error instanceof errors.JWTExpired)
      return { ok: false, code: "token_expired", message: "the token is past its exp" };
    // Our own words: jose's errors may carry claims.
    if (error instanceof errors.JWTClaimValidationFailed) {
      return invalid(
        `claim ${error.claim} is ${error.reason === "missing" ? "missing" : "not what this node wants"}`,
      );
    }
    return invalid("not a signed JWT");
  }
}

function requiredClaims(rules: TokenRules): string[] {
  if (rules.lifetimeMsMax !== undefined) return ["exp", "iat"];
  return rules.requireExp ? ["exp"] : [];
}

function lifetimeFault(
  payload: { exp?: number; iat?: number },
  rules: TokenRules,
  wallMs: number,
): string | undefined {
  const { exp, iat } = payload;
  if (iat !== undefined && iat * 1000 > wallMs + rules.leewayMs)
    return "claim iat is in the future";
  if (rules.lifetimeMsMax === undefined || exp === undefined || iat === undefined) return undefined;
  return (exp - iat) * 1000 > rules.lifetimeMsMax
    ? "the time from iat to exp is longer than this node allows"
    : undefined;
}

const invalid = (message: string): TokenResult => ({ ok: false, code: "token_invalid", message });
