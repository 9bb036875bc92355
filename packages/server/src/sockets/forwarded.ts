// Owns: what trusted proxies say about a request: the client's address, and the host and scheme
// that it asked for.
import { BlockList, isIP } from "node:net";

/** Which headers the proxies write. Only these are read: a client can write the others itself. */
export type ForwardedHeader = "x-forwarded" | "forwarded";

/** A request as the client sent it, according to the trusted proxies. */
export interface ClientRequest {
  readonly address: string;
  /**
   * Host and port that the client asked for, if a trusted proxy says another than the header Host.
   */
  readonly host?: string;
  readonly scheme?: "http" | "https";
  /** Why the headers do not tell the client's address. */
  readonly unread?: "untrusted" | "unreadable";
}

export type ReadForwarded = (peer: string, headers: Headers) => ClientRequest;

export interface ForwardedRules {
  /** Addresses and CIDR ranges. If there are none, no header is read: any client could write it. */
  readonly trusted: readonly string[];
  readonly header: ForwardedHeader;
}

/** What each proxy said; the nearest proxy's is last. */
interface Hop {
  readonly address: string | undefined;
  readonly host?: string;
  readonly scheme?: string;
}

const HOPS_MAX = 20;

/**
 * The client's address is the peer's own. If the peer is a trusted proxy, it is the nearest address
 * in the header that is not trusted. A hop that cannot be read ends the search at its proxy.
 */
export function forwardedReader({ trusted, header }: ForwardedRules): ReadForwarded {
  const list = new BlockList();
  for (const range of trusted) addRange(list, range);
  const isTrusted = (address: string): boolean => {
    const family = isIP(address);
    return family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4");
  };
  return (peer, headers) => {
    const nearest = addressOf(peer) ?? peer;
    const name = header === "forwarded" ? "forwarded" : "x-forwarded-for";
    const given = headers.get(name);
    if (!isTrusted(nearest)) {
      return given === null ? { address: nearest } : { address: nearest, unread: "untrusted" };
    }
    const hops = header === "forwarded" ? forwardedHops(given ?? "") : addressHops(given ?? "");
    const found = farthest(nearest, hops, isTrusted);
    return {
      address: found.address,
      ...(found.unreadable ? { unread: "unreadable" as const } : {}),
      ...(header === "forwarded" ? originalOf(found.hop) : original(headers)),
    };
  };
}

function farthest(
  nearest: string,
  hops: readonly Hop[],
  isTrusted: (address: string) => boolean,
): { readonly address: string; readonly hop: Hop | undefined; readonly unreadable: boolean } {
  let address = nearest;
  let hop: Hop | undefined;
  for (let index = hops.length - 1; index >= 0 && isTrusted(address); index--) {
    const next = hops[index];
    if (next?.address === undefined) return { address, hop: next, unreadable: true };
    address = next.address;
    hop = next;
  }
  return { address, hop, unreadable: false };
}

/** `X-Forwarded-For`: addresses, with or without a port. */
function addressHops(text: string): readonly Hop[] {
  if (text.trim() === "") return [];
  return text
    .split(",")
    .slice(-HOPS_MAX)
    .map((part) => ({ address: addressOf(part.trim()) }));
}

/** The first of a list is what the proxy nearest to the client wrote. */
function original(headers: Headers): Pick<ClientRequest, "host" | "scheme"> {
  const first = (name: string): string => headers.get(name)?.split(",")[0]?.trim() ?? "";
  const [host, port] = [first("x-forwarded-host"), first("x-forwarded-port")];
  const withPort = /^\d{1,5}$/.test(port) && !/:\d+$/.test(host) ? `${host}:${port}` : host;
  return originalOf({
    address: undefined,
    ...(host === "" ? {} : { host: withPort }),
    scheme: first("x-forwarded-proto"),
  });
}

function originalOf(hop: Hop | undefined): Pick<ClientRequest, "host" | "scheme"> {
  const scheme = SCHEMES.get(hop?.scheme?.toLowerCase() ?? "");
  return {
    ...(hop?.host === undefined || hop.host === "" ? {} : { host: hop.host }),
    ...(scheme === undefined ? {} : { scheme }),
  };
}

/** Some proxies name the scheme of the socket. */
const SCHEMES: ReadonlyMap<string, "http" | "https"> = new Map([
  ["http", "http"],
  ["ws", "http"],
  ["https", "https"],
  ["wss", "https"],
]);

/** RFC 7239 section 4: elements separated by commas, pairs by semicolons, values may be quoted. */
function forwardedHops(text: string): readonly Hop[] {
  return splitOutsideQuotes(text, ",")
    .slice(-HOPS_MAX)
    .map((element) => {
      const pairs: ReadonlyMap<string, string> = new Map(
        splitOutsideQuotes(element, ";").map(pairOf),
      );
      const [host, scheme] = [pairs.get("host"), pairs.get("proto")];
      return {
        address: addressOf(pairs.get("for") ?? ""),
        ...(host === undefined ? {} : { host }),
        ...(scheme === undefined ? {} : { scheme }),
      };
    });
}

function pairOf(text: string): readonly [name: string, value: string] {
  const equals = text.indexOf("=");
  const value = text.slice(equals + 1).trim();
  const quoted = /^"(.*)"$/s.exec(value)?.[1];
  return [
    text.slice(0, Math.max(0, equals)).trim().toLowerCase(),
    quoted?.replace(/\\(.)/gs, "$1") ?? value,
  ];
}

/** In one pass: the sender decides how long the header is. */
function splitOutsideQuotes(text: string, separator: "," | ";"): string[] {
  const parts: string[] = [];
  let isQuoted = false;
  let from = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '"') isQuoted = !isQuoted;
    else if (isQuoted && character === "\\") index += 1;
    else if (!isQuoted && character === separator) {
      parts.push(text.slice(from, index));
      from = index + 1;
    }
  }
  parts.push(text.slice(from));
  return parts.filter((part) => part.trim() !== "");
}

/** One spelling of the address in `a.b.c.d`, `a.b.c.d:port`, `v6`, `[v6]` or `[v6]:port`. */
export function addressOf(text: string): string | undefined {
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)?.[1];
  const withPort = /^([\d.]+):\d{1,5}$/.exec(text)?.[1];
  const address = (bracketed ?? withPort ?? text).replace(/%.*$/, "");
  const family = isIP(address);
  if (family === 0 || (bracketed !== undefined && family === 4)) return undefined;
  if (family === 4) return address;
  const v6 = new URL(`http://[${address}]`).hostname.slice(1, -1);
  return inIpv6(v6) ?? v6;
}

/** IPv4 that a dual-stack socket shows as IPv6: `::ffff:a00:1` is `10.0.0.1`. */
function inIpv6(address: string): string | undefined {
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address) ?? [];
  if (high === undefined || low === undefined) return undefined;
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`;
}

function addRange(list: BlockList, range: string): void {
  const [address = "", bits] = range.split("/");
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  if (bits === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(bits), family);
}
