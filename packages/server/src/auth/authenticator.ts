// Owns: the Authenticator of a node: tokens by JWT, anonymous identities, resume tokens.
import type { Identity } from "@holdfast/contract";
import type { Authenticator } from "@holdfast/core";
import { TOKEN_LENGTH_MAX } from "@holdfast/protocol";
import { identityFromClaims } from "./claims.ts";
import { AuthConfigError } from "./config-error.ts";
import { createJwksSource, type JwksOptions } from "./jwks.ts";
import { type TokenRules, verifyToken } from "./jwt.ts";
import {
  JWT_ALGORITHMS,
  type JwtAlgorithm,
  type KeyHint,
  type KeyLookup,
  publicKeys,
  secretKeys,
} from "./keys.ts";
import { createResumeTokens, type ResumeTokenOptions } from "./resume-token.ts";
import { createTickets, isTicket, type Tickets } from "./ticket.ts";

export interface JwtOptions {
  /** HMAC secrets for HS256, at least 32 bytes each. */
  readonly secrets?: readonly string[];
  /** PEM, JWK or JWK set texts for RS256, ES256 and EdDSA. */
  readonly publicKeys?: readonly string[];
  readonly jwks?: JwksOptions;
  /** Default: the algorithms that the given keys can verify. */
  readonly algorithms?: readonly JwtAlgorithm[];
  /** A token must have one of these. Absent: not checked. */
  readonly issuer?: string | readonly string[];
  readonly audience?: string | readonly string[];
  /** Default 5 seconds; at most 5 minutes. */
  readonly leewayMs?: number;
  /** Default true. */
  readonly requireExp?: boolean;
  readonly lifetimeMsMax?: number;
}

export interface AuthenticatorOptions {
  /** Absent: no token is accepted. */
  readonly jwt?: JwtOptions;
  /** The identity of clients that bring no token. Absent: they are refused. */
  readonly anonymous?: Identity;
  readonly resume: ResumeTokenOptions;
  readonly clock?: { readonly wallMs: () => number; readonly nowMs: () => number };
}

/** The node's authenticator, and the tickets that it takes as tokens. */
export interface TicketAuthenticator extends Authenticator {
  readonly tickets: Tickets;
}

const LEEWAY_MS_MAX = 300_000;

/**
 * Checks every setting at once (throws AuthConfigError) and returns an Authenticator that never
 * throws for what a client sent. If a JWKS endpoint fails, tokens whose key is known are still
 * checked; others get `try_later`.
 */
export function createAuthenticator(options: AuthenticatorOptions): TicketAuthenticator {
  const { anonymous, clock = { wallMs: Date.now, nowMs: () => performance.now() } } = options;
  const resume = createResumeTokens(options.resume);
  const tickets = createTickets(options.resume.secrets, options.resume.ttlMs);
  const jwt = options.jwt === undefined ? undefined : prepareJwt(options.jwt, clock.nowMs);
  return {
    tickets,
    async verify(token) {
      if (isTicket(token)) return verifyTicket(tickets, token, clock.wallMs());
      if (jwt === undefined)
        return { ok: false, code: "token_invalid", message: "this node accepts no tokens" };
      if (token.length > TOKEN_LENGTH_MAX) {
        return {
          ok: false,
          code: "token_invalid",
          message: `the token is longer than ${TOKEN_LENGTH_MAX} characters`,
        };
      }
      const result = await verifyToken(token, jwt.rules, { find: jwt.find, wallMs: clock.wallMs });
      if (!result.ok) return result;
      const claims = identityFromClaims(result.claims, jwt.rules.leewayMs);
      return claims.ok ? claims : { ok: false, code: "token_invalid", message: claims.message };
    },
    anonymous: () => anonymous,
    issueResume: resume.issue,
    openResume: resume.open,
  };
}

function verifyTicket(
  tickets: Tickets,
  ticket: string,
  nowMs: number,
): Awaited<ReturnType<Authenticator["verify"]>> {
  const identity = tickets.open(ticket, nowMs);
  if (identity === undefined)
    return { ok: false, code: "token_invalid", message: "the ticket is none of this cluster's" };
  if (identity === "expired")
    return { ok: false, code: "token_expired", message: "the ticket is over: get a new one" };
  return { ok: true, identity };
}

function prepareJwt(options: JwtOptions, nowMs: () => number) {
  const secrets = secretKeys(options.secrets ?? []);
  const known = publicKeys(options.publicKeys ?? []);
  const hasPublic = (options.publicKeys ?? []).length > 0 || options.jwks !== undefined;
  const remote = options.jwks === undefined ? undefined : createJwksSource(options.jwks, nowMs);
  const servable = JWT_ALGORITHMS.filter((alg) =>
    alg === "HS256" ? secrets.length > 0 : hasPublic,
  );
  if (servable.length === 0)
    throw new AuthConfigError("jwt", "has no key: give secrets, publicKeys or jwks");
  const algorithms = options.algorithms ?? servable;
  if (algorithms.length === 0) throw new AuthConfigError("jwt.algorithms", "is empty");
  for (const alg of algorithms) {
    if (!JWT_ALGORITHMS.includes(alg))
      throw new AuthConfigError("jwt.algorithms", `expected some of ${JWT_ALGORITHMS.join(", ")}`);
    if (!servable.includes(alg)) throw new AuthConfigError("jwt.algorithms", `${alg} has no key`);
  }
  const find = async (hint: KeyHint): Promise<KeyLookup> => {
    if (hint.alg === "HS256") return { keys: secrets, otherwise: { kind: "refuse" } };
    const keys = await known(hint);
    if (remote === undefined) return { keys, otherwise: { kind: "refuse" } };
    // A configured key has no id, or one that the provider uses too.
    return { keys, otherwise: { kind: "again", again: () => remote.find(hint) } };
  };
  return { find, rules: tokenRules(options, algorithms) };
}

function tokenRules(options: JwtOptions, algorithms: readonly JwtAlgorithm[]): TokenRules {
  const { leewayMs = 5_000, requireExp = true, lifetimeMsMax } = options;
  if (!(leewayMs >= 0 && leewayMs <= LEEWAY_MS_MAX))
    throw new AuthConfigError("jwt.leewayMs", `expected 0 to ${LEEWAY_MS_MAX}`);
  if (lifetimeMsMax !== undefined && !(lifetimeMsMax > 0))
    throw new AuthConfigError("jwt.lifetimeMsMax", "expected a time above 0");
  const issuer = list(options.issuer);
  const audience = list(options.audience);
  return {
    algorithms,
    leewayMs,
    requireExp,
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
    ...(lifetimeMsMax === undefined ? {} : { lifetimeMsMax }),
  };
}

/**
 * An empty list counts as absent: an issuer that nobody can have would refuse everyone without
 * saying why.
 */
function list(value: string | readonly string[] | undefined): readonly string[] | undefined {
  const values = typeof value === "string" ? [value] : value;
  return values === undefined || values.length === 0 ? undefined : values;
}
