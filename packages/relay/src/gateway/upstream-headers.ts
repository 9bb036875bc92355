// Owns: which headers pass between a client and an upstream (RFC 9110, section 7.6.1).

/** Of one hop alone, or written anew by each side of a WebSocket handshake. */
const OF_ONE_HOP: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"],
  ...["te", "trailer", "transfer-encoding", "upgrade", "http2-settings", "content-length"],
  ...["sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"],
  ...["sec-websocket-accept", "sec-websocket-protocol"],
]);
/**
 * What proxies say about a client, besides the headers that are written here. A client can write
 * them, too, and many applications believe them.
 */
const OF_PROXIES: readonly string[] = [
  ...["x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip"],
  ...["fastly-client-ip", "x-original-forwarded-for", "x-envoy-external-address"],
  ...["x-forwarded-server", "x-forwarded-ssl", "x-forwarded-scheme", "x-forwarded-prefix"],
  ...["x-original-host", "front-end-https", "x-url-scheme"],
];
/** What only this gateway may say. */
const OURS = "holdfast-";

export interface ClientFacts {
  /** The client's own, as far as trusted proxies say it. */
  readonly address: string;
  /** The address that the socket comes from: a proxy's. Absent: the client's own. */
  readonly peer?: string;
  readonly isTls: boolean;
  /** Names the request in logs, here and behind. */
  readonly requestId: string;
  /** Whether headers of the request about the client are believed: a known proxy wrote them. */
  readonly isTrusted: boolean;
  /** Which headers those proxies write. The others may be the client's own. Default X-Forwarded. */
  readonly proxyHeader?: "x-forwarded" | "forwarded";
}

/** What whoever knows the proxies says of a client. */
export type PeerFacts = Omit<ClientFacts, "isTls" | "requestId">;

/** Names each held client, and counts its upstreams, from 0. */
export interface HeldFacts {
  readonly session: string;
  readonly attempt: number;
}

export const REQUEST_ID = "x-request-id";
/** What proxies make: a UUID, a hash, a counter. Nothing that would break a log. */
const REQUEST_ID_FORM = /^[A-Za-z0-9._:/+=@-]{1,128}$/;

/** The one that a trusted proxy gave, or a new one. */
export function requestIdOf(headers: Headers, isTrusted: boolean): string {
  const given = isTrusted ? headers.get(REQUEST_ID) : null;
  return given !== null && REQUEST_ID_FORM.test(given) ? given : crypto.randomUUID();
}

/** The client's headers as an upstream gets them. Host, Origin and Cookie pass untouched. */
export function requestHeaders(from: Headers, client: ClientFacts): Record<string, string> {
  const headers = passing(from);
  headers[REQUEST_ID] = client.requestId;
  const isRead = client.isTrusted && client.proxyHeader !== "forwarded";
  const peer = client.peer ?? client.address;
  const before = isRead ? headers["x-forwarded-for"] : undefined;
  headers["x-forwarded-for"] = before === undefined ? client.address : `${before}, ${peer}`;
  if (!isRead || headers["x-forwarded-proto"] === undefined)
    headers["x-forwarded-proto"] = client.isTls ? "https" : "http";
  if (!isRead || headers["x-forwarded-host"] === undefined) {
    const host = from.get("host");
    if (host === null) delete headers["x-forwarded-host"];
    else headers["x-forwarded-host"] = host;
  }
  if (!isRead) delete headers["x-forwarded-port"];
  if (!client.isTrusted) for (const name of OF_PROXIES) delete headers[name];
  if (!client.isTrusted || client.proxyHeader !== "forwarded") delete headers["forwarded"];
  else if (headers["forwarded"] !== undefined)
    headers["forwarded"] += `, for=${peer.includes(":") ? `"[${peer}]"` : peer}`;
  return headers;
}

/**
 * What an upstream of a held client hears besides. `home`: which one of this gateway's it is.
 * `revision`: its own, as discovery knows it.
 */
export const heldHeaders = (
  { session, attempt }: HeldFacts,
  home: number,
  revision: string | undefined,
): Readonly<Record<string, string>> => ({
  "holdfast-session": session,
  "holdfast-attempt": String(attempt + home),
  ...(revision === undefined ? {} : { "holdfast-revision": revision }),
});

/** An upstream's headers as the client gets them; each cookie is one of its own. */
export function responseHeaders(from: Iterable<readonly [string, string]>): [string, string][] {
  const all = [...from].map(([name, value]): [string, string] => [name.toLowerCase(), value]);
  const ofThisHop = new Set(
    all.flatMap(([name, value]) => (name === "connection" ? namesIn(value) : [])),
  );
  return all.filter(
    ([name]) =>
      !OF_ONE_HOP.has(name) && !ofThisHop.has(name) && name !== "date" && !name.startsWith(OURS),
  );
}

/** Headers that Connection names are of this hop, too. */
const namesIn = (connection: string): readonly string[] =>
  connection
    .toLowerCase()
    .split(",")
    .map((name) => name.trim());

function passing(from: Headers): Record<string, string> {
  const ofThisHop = new Set(namesIn(from.get("connection") ?? ""));
  return Object.fromEntries(
    [...from].filter(
      ([name]) => !OF_ONE_HOP.has(name) && !ofThisHop.has(name) && !name.startsWith(OURS),
    ),
  );
}
