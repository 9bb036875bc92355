// Owns: the forms of texts in a route: addresses, host names, paths, header names.

/** `host:port`; an IPv6 address stands in brackets. */
export function isHostPort(text: string): boolean {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,253}):(\d{1,5})$/.exec(text);
  if (match === null) return false;
  const port = Number(match[2]);
  return port >= 1 && port <= 65_535 && URL.canParse(`ws://${text}/`);
}

/** A host name without a port, in lower case. */
export const isHostName = (text: string): boolean =>
  text.length <= 253 && /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(text) && !text.includes("..");

/** A path as a request has it after its URL was read: no dot segments, no query, no fragment. */
export const isPath = (text: string): boolean =>
  text.length <= 1024 &&
  /^\/[\x21-\x7e]*$/.test(text) &&
  !/[?#\\]/.test(text) &&
  new URL(text.replace(/^\/+/, "/"), "http://a").pathname === text;

/** A name of a header (RFC 9110, section 5.6.2). */
export const isToken = (text: string): boolean => /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(text);

/** As the value of a label of Kubernetes. */
export const isRevision = (text: string): boolean =>
  /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(text);

export const isName = (text: string): boolean => /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text);
