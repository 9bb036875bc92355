// Owns: the forms of texts in options: hosts, origins, address ranges, URLs. They catch mistakes in
// writing; whether a name resolves is known only at start.
import { readOriginPattern } from "./origins.ts";

/** An IPv4 or IPv6 address or a host name. */
export function isHost(text: string): boolean {
  return text.length <= 253 && /^[A-Za-z0-9._:%-]+$/.test(text);
}

/** One entry of a list of origins. */
export function isOrigin(text: string): text is string {
  return readOriginPattern(text) !== undefined;
}

/** `/`, or a path without a slash at its end and without parts that proxies rewrite. */
export function isBasePath(text: string): boolean {
  return text === "/" || /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._~-]+)+$/.test(text);
}

/** An IPv4 or IPv6 address, with or without a prefix length. */
export function isAddressRange(text: string): text is string {
  const [address = "", prefix, ...rest] = text.split("/");
  const bits = isIpv4(address) ? 32 : isIpv6(address) ? 128 : 0;
  if (bits === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return (
    parts.length === 4 &&
    parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  );
}

function isIpv6(text: string): boolean {
  return (
    /^[0-9a-fA-F:.]{2,45}$/.test(text) && text.includes(":") && URL.canParse(`http://[${text}]`)
  );
}

/**
 * An https URL, or an http one on loopback: over an open network, anyone could replace the keys.
 */
export function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") return false;
  return (
    url.protocol === "https:" ||
    (url.protocol === "http:" && ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname))
  );
}

export const BROKER_URL_ALLOWED =
  "memory:, or a redis:// or rediss:// URL, with +sentinel or +cluster";

/**
 * `memory:` or a URL of Redis servers. The parts of the URL are checked when the broker is opened.
 */
export function isBrokerUrl(text: string): boolean {
  return text === "memory:" || /^rediss?(\+sentinel|\+cluster)?:\/\/[^\s/]/.test(text);
}
