// Owns: the address of a broker link, and how a node process gets the address and the secret.
import { BrokerError } from "@holdfast/core";

export type LinkAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/**
 * The link's address, and the secret that both ends know. The text form is a password: it belongs
 * in a child's environment, not in a log.
 */
export interface LinkEndpoint {
  readonly address: LinkAddress;
  readonly secret: string;
}

/** "unix:/path#secret" or "tcp:host:port#secret". */
export function formatLink({ address, secret }: LinkEndpoint): string {
  const place =
    address.kind === "unix"
      ? `unix:${address.path.split("/").map(encodeURIComponent).join("/")}`
      : `tcp:${address.host}:${address.port}`;
  return `${place}#${secret}`;
}

/**
 * Reads what `formatLink` wrote; throws BrokerError "internal" on anything else, without repeating
 * it.
 */
export function parseLink(text: string): LinkEndpoint {
  const unix = /^unix:([^#]+)#([0-9a-f]+)$/.exec(text);
  if (unix?.[1] !== undefined && unix[2] !== undefined)
    return { address: { kind: "unix", path: decodeURIComponent(unix[1]) }, secret: unix[2] };
  const tcp = /^tcp:([^#]+):(\d{1,5})#([0-9a-f]+)$/.exec(text);
  if (tcp?.[1] !== undefined && tcp[3] !== undefined)
    return { address: { kind: "tcp", host: tcp[1], port: Number(tcp[2]) }, secret: tcp[3] };
  throw new BrokerError(
    "internal",
    "not the address of a broker link (unix:path#secret or tcp:host:port#secret)",
  );
}
