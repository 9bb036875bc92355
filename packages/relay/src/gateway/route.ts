// Owns: a route of the gateway: which requests are its own, and the service behind it.
import type { EndpointTable, Profile } from "@holdfast/rehoming";
import type { UpstreamTls } from "./upstream-tls.ts";

/** May change while it has clients: what a client was created with is its profile alone. */
export interface Route {
  readonly name: string;
  /** Without a port. Undefined: every host. */
  readonly host?: string | undefined;
  /** A prefix that ends at a slash of the request's path, or at its end. */
  readonly path: string;
  readonly profile: Profile;
  readonly endpoints: EndpointTable;
  /** How TLS to its endpoints is done. Undefined: no TLS. */
  readonly tls?: UpstreamTls | undefined;
  /** Preferred of the endpoints. */
  readonly zone?: string | undefined;
  /** How long an upstream may take to open a socket. */
  readonly openMsMax: number;
  /** How long an upstream may take to begin an answer that is no socket. Default 60 s. */
  readonly answerMsMax?: number;
  readonly messageBytesMax: number;
  /** Handshakes that wait for an upstream. Default: no limit. */
  readonly pendingMax?: number;
  /** Requests under way that ask for no socket. Default: no limit. */
  readonly requestsMax?: number;
  /** Clients move to endpoints that have too few, or to that of their key. */
  readonly rebalances?: boolean;
  /** Endpoints that are asked before a client is told that none can be had. Default 3. */
  readonly triesMax?: number;
  /** A client's place among the cohorts of revisions, in [0, 1). Absent: any revision will do. */
  readonly cohortOf?: ((request: Request, url: URL) => number) | undefined;
  /** Clients with the same key share an endpoint. */
  readonly keyOf?: ((request: Request, url: URL) => string | undefined) | undefined;
  /** Counts messages, if somebody wants to know. */
  readonly traffic?: { in: number; out: number };
}

/** The route whose host fits and whose path is the longest; one with a host goes first. */
export function routeOf(routes: readonly Route[], url: URL): Route | undefined {
  const hostname = url.hostname.replace(/\.$/, "");
  let best: Route | undefined;
  for (const route of routes) {
    if ((route.host === undefined || route.host === hostname) && isBelow(url, route.path))
      if (best === undefined || goesFirst(route, best)) best = route;
  }
  return best;
}

function goesFirst(one: Route, other: Route): boolean {
  const [own, others] = [one.host !== undefined, other.host !== undefined];
  return own === others ? one.path.length > other.path.length : own;
}

function isBelow({ pathname }: URL, path: string): boolean {
  if (!pathname.startsWith(path)) return false;
  return path.endsWith("/") || pathname.length === path.length || pathname[path.length] === "/";
}

/** A client's subprotocol. Undefined: the endpoint does not speak what the profile needs. */
export const clientProtocol = ({ profile }: Route, chosen: string): string | undefined =>
  profile.subprotocols === undefined ? chosen : profile.subprotocols.chosen(chosen);
