// Owns: which web pages may read the API's answers. None, unless origins are listed.

/**
 * Headers for an answer to a request with this Origin; nothing for an origin that is not listed.
 */
export function corsHeaders(
  allowedOrigins: readonly string[],
  origin: string | null,
): Readonly<Record<string, string>> {
  if (allowedOrigins.length === 0) return {};
  const vary = { vary: "Origin" };
  if (origin === null || !(allowedOrigins.includes("*") || allowedOrigins.includes(origin)))
    return vary;
  return {
    ...vary,
    "access-control-allow-origin": origin,
    "access-control-expose-headers": "X-Request-Id, Retry-After",
  };
}

/** What a preflight is told besides. No cookies: the API knows none. */
export const PREFLIGHT_HEADERS = {
  "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID",
  "access-control-max-age": "600",
} as const;
