// Owns: the forms of texts in options: origins, paths, URLs. They catch mistakes in writing.
import { readOriginPattern } from "./origins.ts";

/** One entry of a list of origins. */
export function isOrigin(text: string): text is string {
  return readOriginPattern(text) !== undefined;
}

/** `/`, or a path without a slash at its end and without parts that proxies rewrite. */
export function isBasePath(text: string): boolean {
  return text === "/" || /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._~-]+)+$/.test(text);
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
