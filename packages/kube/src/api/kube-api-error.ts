// Owns: what the API server refused, or that nobody answered, as an error with a status.
import { at, number, text } from "../reading.ts";

const MESSAGE_LENGTH_MAX = 500;
/** A server that asks for more is asked again after this all the same. */
export const RETRY_AFTER_MS_MAX = 60_000;

export interface KubeApiErrorDetails {
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/**
 * Text: "Cannot <act>: <found>, expected <wanted>". Never holds a token, a key, or the body of a
 * request.
 */
export class KubeApiError extends Error {
  override readonly name = "KubeApiError";
  /** Of HTTP, or of a Status in a watch; 0 if no answer came. */
  readonly status: number;
  /** `reason` of the server's Status, or one of ours: `Unreachable`, `Timeout`, `Malformed`. */
  readonly reason: string;
  /** What the server asked for, at most a minute. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, { status, reason, retryAfterMs, cause }: KubeApiErrorDetails) {
    super(message, { cause });
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }

  /** No answer came; the request may have been carried out all the same. */
  get isUnanswered(): boolean {
    return this.status === 0;
  }

  get isNotFound(): boolean {
    return this.status === 404;
  }

  /** Another version than the one that was asked for, or a field that another manager owns. */
  get isConflict(): boolean {
    return this.status === 409 && this.reason !== "AlreadyExists";
  }

  get isAlreadyExists(): boolean {
    return this.status === 409 && this.reason === "AlreadyExists";
  }

  /** The resource version, or the rest of a list, is no longer known. */
  get isGone(): boolean {
    return this.status === 410;
  }

  get isForbidden(): boolean {
    return this.status === 403;
  }

  get isUnauthorized(): boolean {
    return this.status === 401;
  }

  get isInvalid(): boolean {
    return this.status === 422;
  }

  /** The server is busy, starting or broken: the same request may succeed later. */
  get isTransient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** `act`: such as "GET /api/v1/pods". `body`: a Status, or anything else. */
export function refusal(
  act: string,
  answer: { readonly status: number; readonly body: unknown; readonly retryAfter?: string | null },
): KubeApiError {
  const message = text(at(answer.body, "message"))?.slice(0, MESSAGE_LENGTH_MAX);
  const reason = text(at(answer.body, "reason")) ?? `Status${answer.status}`;
  const seconds =
    number(answer.retryAfter ?? undefined) ??
    number(at(answer.body, "details", "retryAfterSeconds"));
  return new KubeApiError(
    `Cannot ${act}: ${answer.status} ${reason}${message === undefined ? "" : ` (${message})`}, expected success`,
    {
      status: answer.status,
      reason,
      retryAfterMs:
        seconds === undefined || seconds < 0
          ? undefined
          : Math.min(seconds * 1000, RETRY_AFTER_MS_MAX),
    },
  );
}

export function unanswered(act: string, reason: string, cause?: unknown): KubeApiError {
  const code = text(at(cause, "code")) ?? (cause instanceof Error ? cause.name : undefined);
  return new KubeApiError(
    `Cannot ${act}: ${code === undefined ? reason : `${reason} (${code})`}, expected an answer of the API server`,
    { status: 0, reason, cause },
  );
}
