// Owns: a request's refusal on its way to becoming an `err` frame.
import { passesAfterMs } from "@holdfast/contract";
import type { CodeName } from "@holdfast/protocol";
import { BrokerError } from "../ports.ts";

/**
 * Why a request is not carried out. Request handlers throw it; one place turns it into the answer.
 */
export class Refused {
  readonly code: CodeName;
  readonly message: string;
  readonly path: string | undefined;
  readonly retryMs: number | undefined;

  constructor(
    code: CodeName,
    message: string,
    more: { readonly path?: string | undefined; readonly retryMs?: number | undefined } = {},
  ) {
    this.code = code;
    this.message = message;
    this.path = more.path;
    this.retryMs = more.retryMs;
  }
}

/** What a client may know of a failure. The text of an unexpected error is not sent. */
export function asRefused(error: unknown): Refused {
  if (error instanceof Refused) return error;
  const retryMs = passesAfterMs(error);
  if (retryMs !== undefined)
    return new Refused("request_failed", "What the application needs is away", { retryMs });
  if (!(error instanceof BrokerError))
    return new Refused("request_failed", "The node could not do it");
  switch (error.code) {
    case "full":
      return new Refused("broker_full", "The broker has no room left; nothing was done", {
        retryMs: BROKER_RETRY_MS,
      });
    case "share":
      return new Refused(
        "rate_limited",
        "The broker keeps as much of this user or address as it may",
        { retryMs: SHARE_RETRY_MS },
      );
    case "busy":
      return new Refused("broker_busy", "Too many calls wait for the broker; nothing was done", {
        retryMs: BROKER_RETRY_MS,
      });
    case "refused":
      return new Refused(
        "broker_refused",
        "The broker refused the node's account or call; nothing was done",
        { retryMs: BROKER_RETRY_MS },
      );
    case "limit":
      return new Refused("presence_limit", "The channel has as many members as it may have", {
        retryMs: MEMBERS_RETRY_MS,
      });
    case "internal":
      return new Refused("request_failed", "The broker answered in a way that it must not");
    default:
      return new Refused(
        "broker_unavailable",
        "The broker did not confirm it; publishes are safe to repeat with the same idempotency key",
      );
  }
}

/** Pause before a request that the broker refused is tried again. */
const BROKER_RETRY_MS = 1000;
/** Asking again costs a call of the broker, and many may wait for a place in a large channel. */
const MEMBERS_RETRY_MS = 60_000;
/**
 * A connection that has as many of something as it may have may ask again after this: it may have
 * given something back.
 */
export const LIMIT_RETRY_MS = 15_000;
/** What a party has fades over the retention of its channels. */
const SHARE_RETRY_MS = 5000;
