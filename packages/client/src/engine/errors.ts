// Owns: the client's one error type and what it knows of each code.
import type { CodeName, Retry } from "@holdfast/protocol";

// The numbers and advice of protocol's CODES without their texts (3 kB that a browser need not load); errors.test.ts compares the two.
const TABLE =
  "internal 100b try_later 101b draining 102n slow_consumer 103n idle_timeout 104n token_expired 105n resume_rejected 106n handshake_timeout 107b connection_limit 108b disconnected 109n broker_lost 110b stream_broken 111n session_replaced 150 token_invalid 151 unauthorized 152 frame_invalid 153 frame_too_large 154 flooded 155 banned 156 rejected_connect 157 version_unsupported 158 request_invalid 200 channel_unknown 201 channel_invalid 202 permission_denied 203 payload_invalid 204 payload_too_large 205 subscription_limit 206 already_subscribed 207 not_subscribed 208 presence_disabled 209 history_disabled 210 key_required 211 rejected 212 rate_limited 213b broker_unavailable 214b rpc_unknown 215 rpc_failed 216 rpc_timeout 217b rpc_cancelled 218 rpc_limit 219b not_entered 220 presence_limit 221 request_failed 222b subscription_ended 223 closed 300 timeout 301b aborted 302 queue_full 303b connection_lost 304b not_connected 305b";

/** Number and advice of a code; an unknown name (a newer node's) has number 0 and advice `never`. */
export function codeFacts(name: string): { readonly number: number; readonly retry: Retry } {
  const found = new RegExp(`\\b${name} (\\d+)([bn]?)`).exec(TABLE);
  return { number: Number(found?.[1] ?? 0), retry: found?.[2] === "b" ? "backoff" : found?.[2] === "n" ? "now" : "never" };
}

/** What can be said of an error besides its code and text. */
export interface HoldfastErrorDetails {
  readonly number?: number;
  readonly path?: string;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/**
 * Every error of the client. `code` is a name of the protocol's table (a newer node may send one that this version does not
 * know); `retry` says whether repeating can help: `never`, `now`, or with `backoff`, not before `retryAfterMs` when that is given.
 * `path` names the member or field that was wrong. Thrown from `getToken`, one whose `retry` is `never` ends the client (state `failed`).
 */
export class HoldfastError extends Error {
  readonly code: CodeName;
  readonly number: number;
  readonly retry: Retry;
  readonly retryAfterMs?: number;
  readonly path?: string;

  constructor(code: CodeName, message: string, details: HoldfastErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "HoldfastError";
    const facts = codeFacts(code);
    this.code = code;
    this.number = details.number ?? facts.number;
    this.retry = facts.retry;
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
    if (details.path !== undefined) this.path = details.path;
  }
}

/** A node's `err`, `goodbye` or `unsubscribed` as an error. */
export function errorFromWire(frame: {
  readonly code: number;
  readonly name: string;
  readonly msg: string;
  readonly path?: string;
  readonly retryMs?: number;
}): HoldfastError {
  return new HoldfastError(frame.name as CodeName, `${frame.name}: ${frame.msg}`, {
    number: frame.code,
    ...(frame.path === undefined ? {} : { path: frame.path }),
    ...(frame.retryMs === undefined ? {} : { retryAfterMs: frame.retryMs }),
  });
}

/** What a close code of 4500-4999 means when no goodbye came before it; an unknown one is `rejected_connect`. */
export function errorFromClose(closeCode: number, reason: string): HoldfastError {
  // Close code 4500 + n belongs to number 150 + n (errors.test.ts compares with the table).
  const name = new RegExp(`(\\w+) ${closeCode - 4350}\\b`).exec(TABLE)?.[1] ?? "rejected_connect";
  return new HoldfastError(name as CodeName, `The node closed the connection with ${closeCode}${reason && `: ${reason}`}`);
}

/** Whether a goodbye's number means stop. In the table 100-149 close with 4000-4499 or 1012, 150-199 with 4500-4999. */
export const isFinal = (goodbyeNumber: number): boolean => goodbyeNumber >= 150 && goodbyeNumber <= 199;
