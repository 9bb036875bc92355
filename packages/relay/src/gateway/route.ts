// Owns: a route of the gateway: which requests are its own, and the service behind it.
import type { EndpointTable, Profile } from "@holdfast/rehoming";

export interface Route {
  readonly name: string;
  /** Without a port. Undefined: every host. */
  readonly host?: string;
  /** A prefix that ends at a slash of the request's path, or at its end. */
  readonly path: string;
  readonly profile: Profile;
  readonly endpoints: EndpointTable;
  readonly isTls?: boolean;
  /** How long an upstream may take to open a socket. */
  readonly openMsMax: number;
  readonly messageBytesMax: number;
  /** Clients with the same key share an endpoint. */
  readonly keyOf?: (request: Request, url: URL) => string | undefined;
}

/** The route whose host fits and whose path is the longest; one with a host goes first. */
export function routeOf(routes: readonly Route[], url: URL): Route | undefined {
  return routes
    .filter(({ host, path }) => (host === undefined || host === url.hostname) && isBelow(url, path))
    .sort(
      (a, b) =>
        Number(b.host !== undefined) - Number(a.host !== undefined) ||
        b.path.length - a.path.length,
    )[0];
}

function isBelow({ pathname }: URL, path: string): boolean {
  if (!pathname.startsWith(path)) return false;
  return path.endsWith("/") || pathname.length === path.length || pathname[path.length] === "/";
}
