// Owns: which addresses count as one for limits.

const GROUPS = 8;
const NETWORK_GROUPS = 4;

/**
 * An IPv4 address as it is. The first 64 bits of an IPv6 address, because a peer that has one such
 * address has all of them (RFC 4291 section 2.5.4). Other text as it is.
 */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.toLowerCase().split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, GROUPS - front.length - back.length);
  const groups = [...front, ...Array.from({ length: zeros }, () => "0"), ...back];
  return `${groups
    .slice(0, NETWORK_GROUPS)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}
