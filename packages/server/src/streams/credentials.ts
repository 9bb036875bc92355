// Owns: where a request to `/events` has its token from: header, ticket, cookie.

/** How a client of `/events` says who it is. */
export interface Credentials {
  /** Absent: anonymous. */
  readonly token?: string;
  readonly from: "header" | "ticket" | "cookie" | "nobody";
}

export interface CredentialRules {
  /** The cookie that carries a token. Absent: no cookie is read. */
  readonly cookie: string | undefined;
}

/**
 * The header goes before the ticket, and that before the cookie. "malformed": there is a header
 * Authorization that is no bearer token.
 */
export function credentialsOf(
  headers: Headers,
  ticket: string | undefined,
  { cookie }: CredentialRules,
): Credentials | "malformed" {
  const header = headers.get("authorization");
  if (header !== null) {
    const token = /^bearer +(\S+)$/i.exec(header)?.[1];
    return token === undefined ? "malformed" : { token, from: "header" };
  }
  if (ticket !== undefined) return { token: ticket, from: "ticket" };
  const token = cookie === undefined ? undefined : cookieOf(headers.get("cookie") ?? "", cookie);
  return token === undefined ? { from: "nobody" } : { token, from: "cookie" };
}

function cookieOf(header: string, name: string): string | undefined {
  for (const pair of header.split(";")) {
    const equals = pair.indexOf("=");
    if (equals > 0 && pair.slice(0, equals).trim() === name) {
      const value = pair
        .slice(equals + 1)
        .trim()
        .replace(/^"(.*)"$/, "$1");
      return value === "" ? undefined : value;
    }
  }
  return undefined;
}
