// Owns: resume tokens: hf1.<base64url payload>.<base64url HMAC-SHA256>, which bind a session and
// its identity.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Identity } from "@holdfast/contract";
import type { Entitlement, OpenedResume } from "@holdfast/core";
import { TOKEN_LENGTH_MAX } from "@holdfast/protocol";
import { parseCapabilities } from "./claims.ts";
import { AuthConfigError } from "./config-error.ts";

const PREFIX = "hf1.";
/** Length of an HMAC-SHA256 in base64url without padding. */
const MAC_LENGTH = 43;
/** How far another node's clock may be ahead. */
const SKEW_MS = 60_000;
export const RESUME_SECRET_BYTES_MIN = 32;
/**
 * Secrets that may be valid at once: the new one, the old one, and room for a rotation in haste.
 */
export const RESUME_SECRETS_MAX = 8;

export interface ResumeTokenOptions {
  /**
   * Secrets of at least 32 bytes. The first signs, all verify: put a new one first, remove the old
   * one after `ttlMs`.
   */
  readonly secrets: readonly string[];
  /**
   * How long a token may be used; from the identity's end on only beside proof of the same user.
   */
  readonly ttlMs: number;
}

export interface ResumeTokens {
  /** Synchronous. Throws a RangeError only for an identity larger than CLAIM_LIMITS allows. */
  issue(session: string, identity: Identity, nowMs: number, entitled?: Entitlement): string;
  /**
   * Synchronous. Undefined for anything but a valid token of ours within `ttlMs`; `expired` when
   * its identity is over by then.
   */
  open(token: string, nowMs: number): OpenedResume | undefined;
}

/**
 * Wire form of the payload: [session, issued, expires, user, identity expiry, info, caps, entitled
 * since, policy]; null where absent. Times in ms. Older nodes write 7 members; members behind these
 * are for newer ones.
 */
type Wire = readonly [
  string,
  number,
  number,
  string | null,
  number | null,
  unknown,
  unknown,
  unknown?,
  unknown?,
];
const WIRE_LENGTH_MIN = 7;
/** Longest policy that a token carries. */
const POLICY_LENGTH_MAX = 32;

export function createResumeTokens(options: ResumeTokenOptions): ResumeTokens {
  const keys = deriveKeys(options);
  const [signingKey] = keys as [Buffer, ...Buffer[]];
  return {
    issue(session, identity, nowMs, entitled) {
      const expiresMs = nowMs + options.ttlMs;
      const wire: Wire = [
        session,
        nowMs,
        expiresMs,
        identity.user ?? null,
        identity.expiresAtMs ?? null,
        // A claim `info: null` and no claim read the same to applications.
        identity.info ?? null,
        identity.caps ?? null,
        entitled?.sinceMs ?? null,
        entitled?.policy ?? null,
      ];
      const signed = PREFIX + Buffer.from(JSON.stringify(wire), "utf8").toString("base64url");
      const token = `${signed}.${mac(signingKey, signed)}`;
      if (token.length > TOKEN_LENGTH_MAX)
        throw new RangeError(`resume token over ${TOKEN_LENGTH_MAX} characters`);
      return token;
    },
    open(token, nowMs) {
      const macAt = token.length - MAC_LENGTH;
      if (token.length > TOKEN_LENGTH_MAX || !token.startsWith(PREFIX)) return undefined;
      if (token.charCodeAt(macAt - 1) !== 0x2e) return undefined;
      // Both are compared as text: base64url's last character has spare bits, and a changed bit
      // anywhere must refuse.
      if (!isSigned(keys, token.slice(0, macAt - 1), token.slice(macAt))) return undefined;
      return readWire(token.slice(PREFIX.length, macAt - 1), options.ttlMs, nowMs);
    },
  };
}

function deriveKeys({ secrets, ttlMs }: ResumeTokenOptions): readonly Buffer[] {
  if (!(ttlMs > 0) || !Number.isFinite(ttlMs))
    throw new AuthConfigError("resume.ttlMs", "expected a time above 0");
  if (secrets.length === 0 || secrets.length > RESUME_SECRETS_MAX) {
    throw new AuthConfigError("resume.secrets", `expected 1 to ${RESUME_SECRETS_MAX} secrets`);
  }
  return secrets.map((secret, index) => {
    if (Buffer.byteLength(secret, "utf8") < RESUME_SECRET_BYTES_MIN) {
      throw new AuthConfigError(
        `resume.secrets[${index}]`,
        `shorter than ${RESUME_SECRET_BYTES_MIN} bytes`,
      );
    }
    // A key of its own, so that a secret that also signs application tokens never signs the same
    // bytes here.
    return createHmac("sha256", secret).update("holdfast resume token 1").digest();
  });
}

function isSigned(keys: readonly Buffer[], signed: string, given: string): boolean {
  const givenBytes = Buffer.from(given, "latin1");
  let good = false;
  for (const key of keys) {
    // Every key is tried, so that the time does not tell which one signed. latin1 cuts a unit to
    // one byte, so that both buffers have MAC_LENGTH bytes; the text comparison sees what the cut
    // hid.
    const expected = mac(key, signed);
    if (timingSafeEqual(givenBytes, Buffer.from(expected, "latin1")) && given === expected)
      good = true;
  }
  return good;
}

function mac(key: Buffer, signed: string): string {
  return createHmac("sha256", key).update(signed, "utf8").digest("base64url");
}

function readWire(payload: string, ttlMs: number, nowMs: number): OpenedResume | undefined {
  const wire = parse(payload);
  if (!Array.isArray(wire) || wire.length < WIRE_LENGTH_MIN) return undefined;
  const [session, issuedMs, expiresMs, user, identityExpiresMs, info, caps, sinceMs, policy] =
    wire as unknown as Wire;
  if (typeof session !== "string" || session.length === 0) return undefined;
  if (!isTime(issuedMs) || !isTime(expiresMs) || !isTime(nowMs)) return undefined;
  // Issued in the future, or for longer than any node of this configuration issues: not a clock to
  // trust.
  if (issuedMs > nowMs + SKEW_MS || expiresMs <= nowMs || nowMs - issuedMs > ttlMs + SKEW_MS)
    return undefined;
  if (user !== null && typeof user !== "string") return undefined;
  if (identityExpiresMs !== null && !isTime(identityExpiresMs)) return undefined;
  const capabilities = caps === null ? undefined : parseCapabilities(caps);
  if (capabilities !== undefined && !capabilities.ok) return undefined;
  const identity: Identity = {
    ...(user === null ? {} : { user }),
    ...(info === null ? {} : { info }),
    ...(capabilities === undefined ? {} : { caps: capabilities.capabilities }),
    ...(identityExpiresMs === null ? {} : { expiresAtMs: identityExpiresMs }),
  };
  const entitled = readEntitlement(sinceMs, policy);
  const opened = {
    session,
    identity,
    issuedAtMs: issuedMs,
    ...(entitled === undefined ? {} : { entitled }),
  };
  return identityExpiresMs !== null && identityExpiresMs <= nowMs
    ? { ...opened, expired: true }
    : opened;
}

function readEntitlement(sinceMs: unknown, policy: unknown): Entitlement | undefined {
  return isTime(sinceMs) && typeof policy === "string" && policy.length <= POLICY_LENGTH_MAX
    ? { sinceMs, policy }
    : undefined;
}

function parse(payload: string): unknown {
  try {
    return JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
  } catch {
    return undefined; // Signed by us and yet no JSON: another version's payload.
  }
}

const isTime = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value) && value >= 0;
