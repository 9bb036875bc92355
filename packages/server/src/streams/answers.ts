// Owns: how answers of `/events` look when there is no stream: problems with their status, and the
// stream of one event that tells a browser to come back.
import { eventOf, isTemporary, render, type StreamRefusal } from "@holdfast/door-sse";
import { CODES, type CodeName } from "@holdfast/protocol";

type HeadersOf = Readonly<Record<string, string>>;

/** What only HTTP knows. */
const HTTP_STATUS = {
  not_acceptable: 406,
  method_not_allowed: 405,
  request_timeout: 408,
  unsupported_media_type: 415,
} as const;

/** The status of each code that can reach a client here. */
const STATUS: Partial<Record<CodeName, number>> = {
  request_invalid: 400,
  channel_invalid: 400,
  key_required: 400,
  frame_invalid: 400,
  subscription_limit: 400,
  unauthorized: 401,
  token_invalid: 401,
  token_expired: 401,
  permission_denied: 403,
  rejected_connect: 403,
  banned: 403,
  channel_unknown: 404,
  rejected: 422,
  payload_invalid: 422,
  payload_too_large: 413,
  frame_too_large: 413,
  connection_limit: 429,
  rate_limited: 429,
  flooded: 429,
  try_later: 503,
  draining: 503,
  handshake_timeout: 503,
  broker_unavailable: 503,
  broker_full: 503,
  broker_busy: 503,
  broker_refused: 503,
  broker_lost: 503,
  request_failed: 503,
};

export interface ClientProblem {
  readonly code: CodeName | keyof typeof HTTP_STATUS;
  /** For people: what was found, what is expected. Nothing secret. */
  readonly detail: string;
  /** Member of the request that is wrong. */
  readonly path?: string;
  readonly channel?: string;
  readonly retryMs?: number;
}

export const PLAIN_HEADERS: HeadersOf = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};

/** Of a stream: neither a cache nor a proxy that compresses or gathers may hold events back. */
export const STREAM_HEADERS: HeadersOf = {
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
  "x-content-type-options": "nosniff",
};

export function statusOf(code: ClientProblem["code"]): number {
  if (code in HTTP_STATUS) return HTTP_STATUS[code as keyof typeof HTTP_STATUS];
  return STATUS[code as CodeName] ?? 500;
}

/** Problem details (RFC 9457). `retryMs` is also said as Retry-After, in seconds upwards. */
export function problemAnswer(
  { code, detail, path, channel, retryMs }: ClientProblem,
  headers: HeadersOf = {},
): Response {
  const status = statusOf(code);
  const body = {
    type: `urn:holdfast:problem:${code}`,
    title: Object.hasOwn(CODES, code) ? CODES[code as CodeName].meaning : detail,
    status,
    detail,
    code,
    path,
    channel,
    retryMs,
  };
  const retry: HeadersOf =
    retryMs === undefined ? {} : { "retry-after": String(Math.max(1, Math.ceil(retryMs / 1000))) };
  const challenge: HeadersOf =
    status === 401 ? { "www-authenticate": 'Bearer realm="holdfast"' } : {};
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      ...PLAIN_HEADERS,
      "content-type": "application/problem+json",
      ...retry,
      ...challenge,
      ...headers,
    },
  });
}

export function jsonAnswer(value: unknown, status: number, headers: HeadersOf = {}): Response {
  return new Response(typeof value === "string" ? value : JSON.stringify(value), {
    status,
    headers: { ...PLAIN_HEADERS, "content-type": "application/json", ...headers },
  });
}

export const problemOf = ({ code, message, retryMs, channel }: StreamRefusal): ClientProblem => ({
  code,
  detail: message,
  ...(retryMs === undefined ? {} : { retryMs }),
  ...(channel === undefined ? {} : { channel }),
});

const RETRY_MS = 1_000;

/**
 * Browsers give an EventSource up for good when it is answered with an error. So a refusal that
 * passes is a stream of one event, and its end: the browser comes back.
 */
export function passingAnswer(refusal: StreamRefusal, headers: HeadersOf): Response | undefined {
  if (!isTemporary(refusal.code) || statusOf(refusal.code) === 401) return undefined;
  const { code: name, message: msg, retryMs = RETRY_MS } = refusal;
  const goodbye = { t: "goodbye", code: CODES[name].number, name, msg } as const;
  return new Response(render("sse", eventOf(goodbye, retryMs), { retryMs }), {
    headers: { ...STREAM_HEADERS, "content-type": "text/event-stream", ...headers },
  });
}
