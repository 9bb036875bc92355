// Owns: the client's one error type and what it knows of each code.
import type { CodeName, GoodbyeFrame, PayloadError, Retry } from "@holdfast/protocol";
import { defined } from "./engine-context.ts";

// What the client must know of protocol's CODES, without their texts (3 kB that a browser need not
// load); errors.test.ts compares the two. Numbers come with the node's errors; these are the ones
// that the client itself makes.
const NUMBERS: Readonly<Record<string, number>> = {
  internal: 100,
  try_later: 101,
  token_invalid: 151,
  unauthorized: 152,
  request_invalid: 200,
  channel_invalid: 202,
  payload_invalid: 204,
  payload_too_large: 205,
  already_subscribed: 207,
  not_entered: 220,
  request_failed: 222,
  closed: 300,
  timeout: 301,
  aborted: 302,
  queue_full: 303,
  connection_lost: 304,
  not_connected: 305,
};
/** Numbers of the codes after which repeating can help later, and at once. */
const BACKOFF = /^(10[0178]|11[02]|21[3479]|22[2456]|23[12]|30[1345])$/;
const NOW = /^(10[2-69]|111)$/;

/** What may be done after this code; `never` for one that this version does not know. */
export const retryOf = (number: number): Retry =>
  BACKOFF.test(`${number}`) ? "backoff" : NOW.test(`${number}`) ? "now" : "never";

/** What can be said of an error besides its code and text. */
export interface HoldfastErrorDetails {
  readonly number?: number;
  readonly path?: string;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/**
 * Every error of the client. `code` is a name of the protocol's table (a newer node may send one
 * that this version does not know); `retry` says whether repeating can help: `never`, `now`, or
 * with `backoff`, not before `retryAfterMs` when that is given. `path` names the member or field
 * that was wrong. Thrown from `getToken`, one whose `retry` is `never` ends the client (state
 * `failed`).
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
    this.code = code;
    this.number = details.number ?? NUMBERS[code] ?? 0;
    this.retry = retryOf(this.number);
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
    if (details.path !== undefined) this.path = details.path;
  }
}

/** An error whose text says what could not be done, and why. */
export const cannot = (
  code: CodeName,
  act: string,
  found: string,
  details?: HoldfastErrorDetails,
): HoldfastError => new HoldfastError(code, `Cannot ${act}: ${found}`, details);

/** The error of a request that is larger than the node takes. */
export const tooLarge = (act: string, bytes: number, bytesMax: number): HoldfastError =>
  cannot("payload_too_large", act, `${bytes} bytes, expected at most ${bytesMax}`);

/** Why data cannot be sent, as the codec says it: the field, and what was found in it. */
export const dataError = (cause: unknown): HoldfastError => {
  const { message, path } = cause as PayloadError;
  return new HoldfastError("payload_invalid", message, { path, cause } as HoldfastErrorDetails);
};

/** A node's `err`, `goodbye` or `unsubscribed` as an error. */
export function errorFromWire(frame: {
  readonly code: number;
  readonly name: string;
  readonly msg: string;
  readonly path?: string;
  readonly retryMs?: number;
}): HoldfastError {
  const { code: number, path, retryMs: retryAfterMs } = frame;
  return new HoldfastError(
    frame.name as CodeName,
    `${frame.name}: ${frame.msg}`,
    defined({ number, path, retryAfterMs }),
  );
}

/**
 * Whether a goodbye's number means stop. In the table 100-149 close with 4000-4499 or 1012, 150-199
 * with 4500-4999.
 */
export const isFinal = (goodbyeNumber: number): boolean =>
  goodbyeNumber >= 150 && goodbyeNumber <= 199;

/**
 * The error that ends the client, when the node said stop: by a goodbye, or by a close code of
 * 4500-4999 without one (4500 + n belongs to number 150 + n).
 */
export function finalErrorOf(end: {
  readonly goodbye?: GoodbyeFrame;
  readonly closeCode: number;
  readonly reason: string;
}): HoldfastError | undefined {
  const { goodbye, closeCode, reason } = end;
  const number = goodbye?.code ?? closeCode - 4350;
  if (goodbye ? !isFinal(number) : closeCode < 4500 || closeCode > 4999) return undefined;
  if (goodbye) return errorFromWire(goodbye);
  return cannot("rejected_connect", "connect", `closed with ${closeCode} ${reason}`, { number });
}
