// Owns: the origins of web pages that an option may list, and which origin of a request each means.

/** One entry of a list of origins. */
export type OriginPattern =
  | { readonly kind: "any" }
  /** As browsers send it: `https://app.example.com`, `null`, `file://`, `capacitor://localhost`. */
  | { readonly kind: "origin"; readonly origin: string }
  /** Every host below a domain: `https://*.example.com` has the suffix `.example.com`. */
  | { readonly kind: "below"; readonly scheme: string; readonly suffix: string };

export const ORIGIN_ALLOWED =
  '*, "null", file:// or origins like https://app.example.com and https://*.example.com';

const WEB = /^https?:\/\/[^/?#@\\\s]+$/i;
/** Schemes of applications that are not web sites: `capacitor://localhost`, `app://name`. */
const APPLICATION = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\\\s*]+$/i;
/** Schemes that no page has: those of sockets and of other files. */
const NO_PAGE = /^(wss?|ftp):/i;
const BELOW = /^(https?:\/\/)\*\./i;

/** The entry, or undefined if the text is neither an origin that browsers send nor a pattern. */
export function readOriginPattern(text: string): OriginPattern | undefined {
  if (text === "*") return { kind: "any" };
  if (!BELOW.test(text)) {
    const origin = canonicalOrigin(text);
    return origin === undefined ? undefined : { kind: "origin", origin };
  }
  const below = canonicalOrigin(text.replace(BELOW, "$1x."));
  const url = below === undefined ? undefined : new URL(below);
  const domain = url?.hostname.slice("x.".length) ?? "";
  // A top-level domain belongs to many owners; an address has no hosts below it.
  if (url === undefined || !/[a-z]$/.test(domain)) return undefined;
  if (!domain.includes(".") && domain !== "localhost") return undefined;
  return { kind: "below", scheme: url.protocol, suffix: `.${url.host.slice("x.".length)}` };
}

/** One spelling of an origin: lower case, no default port, Unicode names as browsers send them. */
export function canonicalOrigin(text: string): string | undefined {
  if (text === "null") return text;
  if (/^file:\/\/$/i.test(text)) return "file://";
  if (WEB.test(text) && !text.includes("*"))
    return URL.canParse(text) ? new URL(text).origin : undefined;
  return APPLICATION.test(text) && !NO_PAGE.test(text) && !WEB.test(text)
    ? text.toLowerCase()
    : undefined;
}

/** Whether the entry means this origin, given in its one spelling. */
export function isOriginOf(pattern: OriginPattern, origin: string): boolean {
  switch (pattern.kind) {
    case "any":
      return true;
    case "origin":
      return origin === pattern.origin;
    case "below": {
      const start = `${pattern.scheme}//`;
      return (
        origin.startsWith(start) &&
        origin.endsWith(pattern.suffix) &&
        origin.length > start.length + pattern.suffix.length
      );
    }
  }
}
