// Owns: errors of the HTTP API: problem details (RFC 9457) with the protocol's code names. Pure.
import { CODES, type CodeName } from "@holdfast/protocol";

/** Conditions that only HTTP knows. */
const HTTP_CODES = {
  not_found: { status: 404, meaning: "There is nothing at this path." },
  method_not_allowed: { status: 405, meaning: "The path does not take this method." },
  not_acceptable: { status: 406, meaning: "The path answers no such type." },
  request_timeout: { status: 408, meaning: "The body did not arrive in time." },
  unsupported_media_type: { status: 415, meaning: "The body is not JSON." },
} as const;
export type HttpCode = keyof typeof HTTP_CODES;

/** The status of each code that can reach a caller of the API. */
export const CODE_STATUS = {
  request_invalid: 400,
  channel_invalid: 400,
  key_required: 400,
  unauthorized: 401,
  permission_denied: 403,
  channel_unknown: 404,
  rpc_unknown: 404,
  presence_disabled: 409,
  history_disabled: 409,
  presence_limit: 409,
  order_refused: 409,
  node_ending: 409,
  payload_too_large: 413,
  payload_invalid: 422,
  rejected: 422,
  rate_limited: 429,
  rpc_limit: 429,
  internal: 500,
  rpc_failed: 500,
  request_failed: 500,
  rpc_cancelled: 500,
  try_later: 503,
  draining: 503,
  broker_unavailable: 503,
  broker_full: 503,
  broker_busy: 503,
  broker_refused: 503,
  broker_lost: 503,
  rpc_timeout: 504,
  order_expired: 504,
  order_unconfirmed: 504,
} as const satisfies Partial<Record<CodeName, number>>;

export interface Problem {
  readonly code: CodeName | HttpCode;
  /** For people: what was found, what is allowed. Nothing secret. */
  readonly detail: string;
  /** Member of the request that is wrong, like `commands[2].channel`. */
  readonly path?: string;
  readonly retryMs?: number;
}

/** HTTP status of a code; 500 for one that no caller should meet. */
export function statusOf(code: CodeName | HttpCode): number {
  if (isHttpCode(code)) return HTTP_CODES[code].status;
  return (CODE_STATUS as Partial<Record<CodeName, number>>)[code] ?? 500;
}

/** The body of an error answer. */
export function problemBody(problem: Problem, requestId: string): Record<string, unknown> {
  const { code, detail, path, retryMs } = problem;
  return {
    type: `urn:holdfast:problem:${code}`,
    title: TITLES[code] ?? (isHttpCode(code) ? HTTP_CODES[code].meaning : CODES[code].meaning),
    status: statusOf(code),
    detail,
    code,
    ...(path === undefined ? {} : { path }),
    ...(retryMs === undefined ? {} : { retryMs }),
    requestId,
  };
}

// Where the protocol's words speak of a session.
const TITLES: { readonly [C in CodeName | HttpCode]?: string } = {
  unauthorized: "A known API key is needed.",
  permission_denied: "The API key lacks the scope.",
  request_invalid: "The request is not what the operation takes.",
  payload_too_large: "The body or the data is larger than the limit.",
  rate_limited: "Too many requests.",
  try_later: "The node has as many requests to answer as it takes at once.",
  internal: "The node met a bug.",
};

function isHttpCode(code: CodeName | HttpCode): code is HttpCode {
  return Object.hasOwn(HTTP_CODES, code);
}
