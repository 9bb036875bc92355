// Owns: tokens of a run: readable JSON instead of signatures, the same rules as the real ones.
import type { Capability } from "@holdfast/contract";
import type { Authenticator, Clock, OpenedResume } from "@holdfast/core";

/** What a simulated token says. Times are wall times in ms. */
export interface TokenClaims {
  readonly sub: string;
  readonly expiresAtMs: number;
  readonly trusted: boolean;
}

/** Longer than any run. */
export const LONG_TOKEN_MS = 600_000;

export const SECRET_CAPS: readonly Capability[] = [
  { channel: "secret:*", actions: ["subscribe", "publish", "history"] },
];

export const makeToken = (claims: TokenClaims): string => JSON.stringify(claims);

/** Checking a token takes `verifyMs` of the node's time, as a key set over the network does. */
export function createSimAuthenticator(
  clock: Clock,
  options: { readonly resumeTtlMs: number; readonly verifyMs: number },
): Authenticator {
  return {
    verify: (token) =>
      new Promise((resolve) => {
        clock.after(options.verifyMs, () => {
          const { sub, expiresAtMs, trusted } = JSON.parse(token) as TokenClaims;
          if (expiresAtMs <= clock.wallMs())
            resolve({ ok: false, code: "token_expired", message: `expired at ${expiresAtMs}` });
          else
            resolve({
              ok: true,
              identity: { user: sub, expiresAtMs, caps: trusted ? SECRET_CAPS : [] },
            });
        });
      }),
    anonymous: () => undefined,
    issueResume: (session, identity, nowMs, entitled) =>
      JSON.stringify({ session, identity, issuedAtMs: nowMs, entitled }),
    openResume: (token, nowMs) => {
      const opened = JSON.parse(token) as OpenedResume;
      if (nowMs >= opened.issuedAtMs + options.resumeTtlMs) return undefined;
      return nowMs < (opened.identity.expiresAtMs ?? Number.POSITIVE_INFINITY)
        ? opened
        : { ...opened, expired: true };
    },
  };
}
