// Owns: whether a request on the connect path becomes a socket.
import type { Server } from "bun";
import type { ServerRecorder } from "../metrics/index.ts";
import type { AcceptedClient, SocketData } from "./bun-link.ts";
import type { ClientRequest } from "./forwarded.ts";
import type { PageRequest } from "./origins.ts";

/** A door whose clients come by WebSocket. */
export interface SocketDoor {
  /** `offered`: the request's Sec-WebSocket-Protocol. */
  accept(offered: string | null): AcceptedClient;
}

export interface UpgradeOptions {
  readonly mayConnect: (request: PageRequest) => boolean;
  readonly door: SocketDoor;
  /** Most sockets, below the descriptor limit. At the limit, upgrades are answered with 503. */
  readonly socketsMax: number;
  /** How clients reach the listener if no proxy says it. */
  readonly scheme: "https" | undefined;
  readonly recorder: ServerRecorder;
  /**
   * Called for sockets that were refused, in addition to the recorder. Not called for requests that
   * asked for no socket.
   */
  readonly onRefused: (fields: RefusedSocket) => void;
}

export interface RefusedSocket {
  readonly reason: "origin" | "full" | "upgrade_failed";
  readonly address: string;
  readonly origin?: string;
  /** The host that the client asked for; the origin is compared with it. */
  readonly host?: string;
}

export interface Upgrade {
  readonly request: Request;
  readonly server: Server<SocketData>;
  readonly client: ClientRequest;
}

/** Most characters of a header in logs and answers. */
const SHOWN_MAX = 200;

/** Undefined: the request is a socket now. */
export function upgrade(options: UpgradeOptions, offered: Upgrade): Response | undefined {
  const { request, server, client } = offered;
  const { recorder } = options;
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    recorder.socketRefused("not_websocket");
    const headers = { upgrade: "websocket" };
    return answer(426, "found no upgrade, expected a WebSocket upgrade", headers);
  }
  const refused = (reason: RefusedSocket["reason"], more: Partial<RefusedSocket> = {}): void => {
    recorder.socketRefused(reason);
    options.onRefused({ reason, address: client.address, ...more });
  };
  const origin = request.headers.get("origin");
  const host = client.host ?? request.headers.get("host");
  if (!options.mayConnect({ origin, host, scheme: client.scheme ?? options.scheme })) {
    const shown = { origin: shorten(origin), host: shorten(host) };
    refused("origin", shown);
    const found = `found origin ${shown.origin} and host ${shown.host}`;
    return answer(403, `${found}, expected a page of this host or of allowedOrigins`);
  }
  if (server.pendingWebSockets >= options.socketsMax) {
    refused("full");
    const found = `found ${options.socketsMax} sockets, expected fewer`;
    return answer(503, found, { "retry-after": "1" });
  }
  const accepted = options.door.accept(request.headers.get("sec-websocket-protocol"));
  const data: SocketData = { address: client.address, accepted, client: undefined };
  // Set even when empty: Bun would echo the first one offered.
  const headers = { "Sec-WebSocket-Protocol": accepted.subprotocol };
  if (server.upgrade(request, { data, headers })) return undefined;
  refused("upgrade_failed");
  return answer(400, "found an upgrade that breaks RFC 6455, expected version 13 and a key");
}

function answer(
  status: number,
  why: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(`Cannot connect: ${why}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...PLAIN, ...headers },
  });
}

const PLAIN = { "x-content-type-options": "nosniff", "cache-control": "no-store" };
const shorten = (text: string | null): string => (text ?? "none").slice(0, SHOWN_MAX);
