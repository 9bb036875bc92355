// Owns: TLS to the endpoints of routes, from the files that their options name.
import type { UpstreamTls } from "@holdfast/relay/gateway";
import type { RouteOptions } from "../options/route-fields.ts";
import { readAuthorities, readIdentity } from "./tls-files.ts";

/** TLS of one route, as its files said it when they were read. */
export interface RouteTls {
  /** Undefined: the route speaks no TLS. */
  readonly tls: UpstreamTls | undefined;
  /** When the gateway's own certificate ends, in ms since 1970; undefined: it has none. */
  readonly endsMs: number | undefined;
}

/** Reads the route's files. Throws TlsFileError. */
export function readRouteTls({ name, upstreamTls }: RouteOptions): RouteTls {
  if (upstreamTls === undefined) return { tls: undefined, endsMs: undefined };
  const { caFile, serverName, certFile, keyFile } = upstreamTls;
  const named = (field: string, file: string) => ({
    ...{ option: `upstreamTls.${field} of route ${name}`, file },
  });
  const ca = caFile === undefined ? {} : { ca: readAuthorities(named("caFile", caFile)) };
  const identity =
    certFile === undefined || keyFile === undefined
      ? undefined
      : readIdentity(named("certFile", certFile), named("keyFile", keyFile));
  return {
    tls: {
      ...ca,
      ...(serverName === undefined ? {} : { serverName }),
      ...(identity === undefined ? {} : { cert: identity.cert, key: identity.key }),
    },
    endsMs: identity?.endsMs,
  };
}
