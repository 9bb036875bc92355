// Owns: a request's refusal on its way to becoming an `err` frame.
import type { CodeName } from "@holdfast/protocol";
import { BrokerError } from "../ports.ts";

/**
 * Why a request is not carried out. Thrown inside request handlers and turned into the answer in
 * one place.
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

/** What a client may know of a failure. Text of unexpected errors stays here. */
export function asRefused(error: unknown): Refused {
  if (error instanceof Refused) return error;
  if (!(error instanceof BrokerError))
    return new Refused("request_failed", "The node could not do it");
  return error.code === "limit"
    ? new Refused("request_failed", "The broker is at its limit; nothing was done", {
        retryMs: 1000,
      })
    : new Refused(
        "broker_unavailable",
        "The broker did not confirm it; publishes are safe to repeat with the same idempotency key",
      );
}
