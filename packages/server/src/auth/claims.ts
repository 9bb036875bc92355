// Owns: what the claims of a token may say, and how they become an identity. Pure.
import type { Capability, ChannelAction, Identity } from "@holdfast/contract";
import { CHANNEL_LENGTH_CEILING } from "@holdfast/protocol";

/**
 * Bounds on claims. Resume tokens carry the identity: the bound on the sum keeps them under the
 * protocol's token limit.
 */
export const CLAIM_LIMITS = {
  userLengthMax: 255,
  capabilitiesMax: 64,
  /** UTF-8 bytes of `info` as JSON. */
  infoBytesMax: 2048,
  /** UTF-8 bytes of user, info and caps together as JSON. */
  identityBytesMax: 4096,
} as const;

const ACTIONS: readonly ChannelAction[] = ["subscribe", "publish", "presence", "history"];
// A date beyond this is no date; it also keeps arithmetic exact.
const TIME_MS_MAX = 8.64e15;

interface Refused {
  readonly ok: false;
  readonly message: string;
}
interface ReadCapabilities {
  readonly ok: true;
  readonly capabilities: readonly Capability[];
}

export type ClaimsResult = { readonly ok: true; readonly identity: Identity } | Refused;

/**
 * Identity from verified claims `sub`, `exp` (seconds), `info`, `caps`. The leeway of the
 * verification is added to `exp`, so that an accepted token never expires at once. Messages name
 * the claim, never its value.
 */
export function identityFromClaims(
  claims: Readonly<Record<string, unknown>>,
  leewayMs: number,
): ClaimsResult {
  const { sub, exp, info, caps } = claims;
  if (sub !== undefined && !isName(sub, CLAIM_LIMITS.userLengthMax)) {
    return refuse(
      `claim sub: expected text of 1 to ${CLAIM_LIMITS.userLengthMax} characters without control characters`,
    );
  }
  if (exp !== undefined && !(typeof exp === "number" && Number.isFinite(exp))) {
    return refuse("claim exp: expected seconds since 1970");
  }
  if (info !== undefined && utf8Bytes(JSON.stringify(info)) > CLAIM_LIMITS.infoBytesMax) {
    return refuse(`claim info: larger than ${CLAIM_LIMITS.infoBytesMax} bytes`);
  }
  const parsed = caps === undefined ? undefined : parseCapabilities(caps);
  if (parsed !== undefined && !parsed.ok) return parsed;
  const identity: Identity = {
    ...(sub === undefined ? {} : { user: sub }),
    ...(info === undefined ? {} : { info }),
    ...(parsed === undefined ? {} : { caps: parsed.capabilities }),
    ...(exp === undefined ? {} : { expiresAtMs: Math.min(exp * 1000 + leewayMs, TIME_MS_MAX) }),
  };
  if (
    utf8Bytes(JSON.stringify([identity.user, identity.info, identity.caps])) >
    CLAIM_LIMITS.identityBytesMax
  ) {
    return refuse(
      `claims sub, info and caps: together larger than ${CLAIM_LIMITS.identityBytesMax} bytes`,
    );
  }
  return { ok: true, identity };
}

/**
 * Claim `caps`: a list of `{ channel, actions }` or of compact strings `"chat:*=subscribe,publish"`
 * (`=*`: every action).
 * At most 64 entries; patterns as long as channel names.
 */
export function parseCapabilities(value: unknown): ReadCapabilities | Refused {
  if (!Array.isArray(value)) return refuse("claim caps: expected a list");
  if (value.length > CLAIM_LIMITS.capabilitiesMax)
    return refuse(`claim caps: more than ${CLAIM_LIMITS.capabilitiesMax} entries`);
  const capabilities: Capability[] = [];
  for (const [index, entry] of value.entries()) {
    const capability = typeof entry === "string" ? compactCapability(entry) : entry;
    const fault = capabilityFault(capability);
    if (fault !== undefined) return refuse(`claim caps[${index}]${fault}`);
    const { channel, actions } = capability as {
      channel: string;
      actions: readonly (ChannelAction | "*")[];
    };
    capabilities.push({
      channel,
      actions: actions.includes("*")
        ? ACTIONS
        : ACTIONS.filter((action) => actions.includes(action)),
    });
  }
  return { ok: true, capabilities };
}

function compactCapability(text: string): unknown {
  // The last "=": channel names may hold one.
  const split = text.lastIndexOf("=");
  if (split < 0) return undefined;
  return {
    channel: text.slice(0, split),
    actions: text
      .slice(split + 1)
      .split(",", ACTIONS.length + 2)
      .map((action) => action.trim()),
  };
}

function capabilityFault(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null)
    return `: expected { channel, actions } or "channel=action,action"`;
  const { channel, actions } = value as { channel?: unknown; actions?: unknown };
  if (!isName(channel, CHANNEL_LENGTH_CEILING)) {
    return `.channel: expected a pattern of 1 to ${CHANNEL_LENGTH_CEILING} characters without control characters`;
  }
  if (!Array.isArray(actions) || actions.length === 0 || actions.length > ACTIONS.length + 1)
    return `.actions: expected a list of actions`;
  const unknown = actions.findIndex((action) => action !== "*" && !ACTIONS.includes(action));
  return unknown < 0
    ? undefined
    : `.actions[${unknown}]: expected one of ${ACTIONS.join(", ")} or *`;
}

function isName(value: unknown, lengthMax: number): value is string {
  return (
    typeof value === "string" && value.length > 0 && value.length <= lengthMax && !hasControl(value)
  );
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit === 0x7f) return true;
  }
  return false;
}

const utf8Bytes = (text: string): number => Buffer.byteLength(text, "utf8");
const refuse = (message: string): Refused => ({ ok: false, message });
