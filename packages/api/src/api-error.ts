// Owns: the one error of this package.

/**
 * What an answer said beside its code: HTTP status, path of the field, time to wait in ms, id of
 * the request, attempts made.
 */
export interface HoldfastApiErrorDetails {
  readonly status?: number;
  readonly path?: string;
  readonly retryMs?: number;
  readonly requestId?: string;
  readonly attempts?: number;
  readonly cause?: unknown;
}

/**
 * What went wrong with a call. `code` is the node's (a name of the protocol's table, or of an HTTP
 * condition such as `not_found`), or one of this package:
 * - `option_invalid`: an option or an argument cannot be used. Nothing was sent.
 * - `unreachable`: no answer, because the connection failed. It may have been carried out.
 * - `timeout`: no answer in time. It may have been carried out.
 * - `aborted`: the caller's signal. It may have been carried out.
 * - `history_gap`: publications of a stream are no longer kept.
 * - `answer_invalid`: what came is no answer of a Holdfast node; often a proxy's page.
 */
export class HoldfastApiError extends Error {
  readonly code: string;
  /** HTTP status of the last answer, if there was one. */
  readonly status?: number;
  /** Member of the request that is wrong, such as `text` or `commands[2].channel`. */
  readonly path?: string;
  /** Least time to wait before the request is repeated, as the node said. */
  readonly retryMs?: number;
  /** Also in the node's log. */
  readonly requestId?: string;
  /** How often it was sent. */
  readonly attempts: number;

  constructor(code: string, message: string, details: HoldfastApiErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "HoldfastApiError";
    this.code = code;
    this.attempts = details.attempts ?? 0;
    if (details.status !== undefined) this.status = details.status;
    if (details.path !== undefined) this.path = details.path;
    if (details.retryMs !== undefined) this.retryMs = details.retryMs;
    if (details.requestId !== undefined) this.requestId = details.requestId;
  }
}
