// Owns: which address a request comes from, when proxies that are trusted stand in between.
import { BlockList, isIP } from "node:net";

/**
 * Answers the client's address: the peer's own, or, where the peer is a trusted proxy, the nearest
 * one in X-Forwarded-For that is not.
 */
export type ClientAddress = (peer: string, forwardedFor: string | null) => string;

const HOPS_MAX = 20;

/**
 * `trusted`: addresses and CIDR ranges. Without any the header is never read: whoever connects
 * could write it.
 */
export function clientAddress(trusted: readonly string[]): ClientAddress {
  if (trusted.length === 0) return (peer) => normal(peer);
  const list = new BlockList();
  for (const range of trusted) add(list, range);
  const isTrusted = (address: string): boolean =>
    list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  return (peer, forwardedFor) => {
    let address = normal(peer);
    const hops = (forwardedFor ?? "").split(",").slice(-HOPS_MAX);
    while (isTrusted(address)) {
      const hop = normal(hops.pop()?.trim() ?? "");
      if (isIP(hop) === 0) return address;
      address = hop;
    }
    return address;
  };
}

function add(list: BlockList, range: string): void {
  const [address = "", bits] = range.split("/");
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  if (bits === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(bits), family);
}

/** One spelling for IPv4 in IPv6. */
const normal = (address: string): string =>
  address.startsWith("::ffff:") && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
