// Owns: what TLS to an upstream takes, in the forms of fetch and of the WebSocket client.
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";

/** Texts are PEM. */
export interface UpstreamTls {
  /** Authorities that are believed. Undefined: the system's. */
  readonly ca?: string;
  /** Asked for (SNI), and what the certificate must be for. Undefined: the address's host. */
  readonly serverName?: string;
  /** By which the upstream knows the gateway. */
  readonly cert?: string;
  readonly key?: string;
}

/** For fetch. */
export function fetchTls(tls: UpstreamTls, address: string) {
  const { ca, cert, key } = tls;
  const name = tls.serverName ?? hostOf(address);
  return {
    ...given({ ca, cert, key }),
    rejectUnauthorized: true,
    ...(isIP(name) === 0 ? { serverName: name } : {}),
    // Without it the name would be that of the Host header, which the client chose.
    checkServerIdentity: (_: string, certificate: PeerCertificate) =>
      checkServerIdentity(name, certificate),
  };
}

/** For the WebSocket client. */
export function socketTls(tls: UpstreamTls, address: string) {
  const { ca, cert, key } = tls;
  const name = tls.serverName ?? hostOf(address);
  return {
    ...given({ ca, cert, key }),
    rejectUnauthorized: true,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    checkServerIdentity: (_: string, certificate: PeerCertificate) =>
      checkServerIdentity(name, certificate),
  };
}

/**
 * Whether a handshake failed because of TLS: one side does not believe the other's certificate. A
 * server that only hangs up says no such thing.
 */
export function isOfTls(error: Error): boolean {
  const { code } = error as { readonly code?: unknown };
  return /TLS|SSL|CERT|SIGNATURE|ISSUER/.test(`${String(code ?? "")} ${error.message}`);
}

const hostOf = (address: string): string => address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");

const given = <T extends object>(members: T): Partial<T> =>
  Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined),
  ) as Partial<T>;
