// Owns: the requests that keep a session alive: ping, which also renews the resume token, and
// refresh, which renews the identity.

import type { Contract, Identity } from "@holdfast/contract";
import type { Observer } from "../observer.ts";
import type { Authenticator, Clock } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";
import type { Connection } from "./connection.ts";
import type { FrameOf } from "./frames.ts";

/** What a pong needs of the node. */
export interface PingNeeds {
  readonly clock: Clock;
  readonly authenticator: Pick<Authenticator, "issueResume">;
  readonly contract: Pick<Contract, "subscribePolicy">;
  settings(): NodeSettings;
}

/** What a session's new token needs of the node. */
export interface RefreshNeeds {
  readonly clock: Clock;
  readonly authenticator: Pick<Authenticator, "verify">;
  readonly observer: Pick<Observer, "authFailed">;
  readonly rates: { rpc(connection: Connection): number };
  readonly sessions: {
    armExpiry(connection: Connection): void;
    recheckPermissions(connection: Connection): Promise<void>;
  };
}

export function answerPing(
  parts: PingNeeds,
  connection: Connection,
  { id, windowMs }: { readonly id: number; readonly windowMs: number },
): void {
  const { clock, authenticator, contract, settings } = parts;
  const time = clock.wallMs();
  const stale = Math.abs(time - connection.resumeIssuedMs) * 2 > settings().timeouts.resumeTtlMs;
  if (stale) connection.resumeIssuedMs = time;
  const { session, identity, entitledSinceMs: sinceMs } = connection;
  const entitled = { sinceMs, policy: contract.subscribePolicy };
  const resume = stale
    ? { resume: authenticator.issueResume(session, identity, time, entitled) }
    : {};
  connection.windowToldMs = windowMs;
  connection.send({ t: "pong", id, time, windowMs, ...resume });
}

/** Accepts a new token of the same user. Whatever its claims no longer allow is ended. */
export async function refresh(
  parts: RefreshNeeds,
  connection: Connection,
  frame: FrameOf<"refresh">,
): Promise<void> {
  const { authenticator, clock, observer, rates, sessions } = parts;
  // A signature's check is the costliest thing that a client can ask for.
  const retryMs = rates.rpc(connection);
  if (retryMs > 0)
    return connection.fail(
      frame.id,
      "rate_limited",
      "Cannot refresh: over the rate of calls and refreshes for a connection",
      { retryMs },
    );
  const verified = await authenticator.verify(frame.token);
  if (connection.phase === "ended") return;
  if (!verified.ok) {
    observer.authFailed(verified.code);
    const retry = verified.code === "try_later" ? { retryMs: verified.retryMs } : {};
    return connection.fail(frame.id, verified.code, verified.message, retry);
  }
  if (verified.identity.user !== connection.identity.user) {
    return connection.fail(
      frame.id,
      "token_invalid",
      "Cannot refresh: found a token of another user, expected the session's",
      {
        path: "token",
      },
    );
  }
  if (!isSameRight(connection.identity, verified.identity))
    connection.entitledSinceMs = clock.wallMs();
  connection.identity = verified.identity;
  // The next pong brings a resume token with the new identity.
  connection.resumeIssuedMs = Number.NEGATIVE_INFINITY;
  sessions.armExpiry(connection);
  const { expiresAtMs } = connection.identity;
  const text =
    expiresAtMs === undefined
      ? "{}"
      : `{"expiresMs":${Math.max(0, Math.round(expiresAtMs - clock.wallMs()))}}`;
  connection.send({ t: "ok", id: frame.id, data: { kind: "json", text } });
  await sessions.recheckPermissions(connection);
}

/**
 * Whether two identities of one user may do the same. `info` is not compared: only rules of the
 * application look at it, and what those decide has no known beginning.
 */
function isSameRight(one: Identity, other: Identity): boolean {
  return JSON.stringify(one.caps) === JSON.stringify(other.caps);
}
