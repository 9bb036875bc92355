// Owns: which web pages may open a socket: those of listed origins and of the node's own host.
import { isIP } from "node:net";
import {
  canonicalOrigin,
  isOriginOf,
  type OriginPattern,
  readOriginPattern,
} from "../options/origins.ts";

/** What the check knows about a request. */
export interface PageRequest {
  /** Header Origin; null: not a browser (RFC 6455 section 10.2). */
  readonly origin: string | null;
  /** Host and port that the client asked for. */
  readonly host: string | null;
  /**
   * The scheme with which the client reached the first of our listeners or proxies; undefined:
   * unknown.
   */
  readonly scheme?: "http" | "https" | undefined;
}

export interface OriginRules {
  readonly allowedOrigins: readonly string[];
  /**
   * Whether the node accepts clients without a token: then anyone who can reach the node may use
   * it.
   */
  readonly anonymous: boolean;
}

/** Whether a request may become a socket. Entries that nobody could send are left out. */
export function originCheck({ allowedOrigins, anonymous }: OriginRules) {
  const listed = allowedOrigins
    .map(readOriginPattern)
    .filter((pattern): pattern is OriginPattern => pattern !== undefined);
  return (request: PageRequest): boolean => {
    if (request.origin === null) return true;
    const origin = canonicalOrigin(request.origin);
    if (listed.some((pattern) => isOriginOf(pattern, origin ?? ""))) return true;
    return origin !== undefined && isOwnPage(origin, request, anonymous);
  };
}

/**
 * Whether a page comes from the host that it connects to. Such a page can still be an attacker's.
 * The owner of a name can point it at the node's address (DNS rebinding), and then the owner's page
 * has the "same" host. The attacker gains something only if the node accepts every client that
 * reaches it. The attack fails with https, because the attacker's name is not in the certificate.
 * It also fails with an address, or with a name that nobody can own.
 */
function isOwnPage(origin: string, { host, scheme }: PageRequest, anonymous: boolean): boolean {
  if (host === null || !/^https?:/.test(origin)) return false;
  const page = new URL(origin);
  if (page.origin !== canonicalOrigin(`${page.protocol}//${host}`)) return false;
  if (page.protocol === "https:") return true;
  // An http page beside an https one is another origin, and anyone on the network path can change
  // it.
  if (scheme === "https") return false;
  return !anonymous || isOwnedByNobody(page.hostname);
}

/** Addresses, and names that public DNS never answers (RFC 6761, RFC 6762, RFC 8375, RFC 9476). */
function isOwnedByNobody(hostname: string): boolean {
  const name = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (isIP(name) !== 0 || !name.includes(".")) return true;
  return /\.(localhost|local|internal|test|home\.arpa)$/.test(name);
}
