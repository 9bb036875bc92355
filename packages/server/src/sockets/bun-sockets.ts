// Owns: the public listener: WebSocket upgrades for the engine, everything else for the HTTP
// handler. docs/design/runtime.md has the facts behind the rules here.
import { isIP } from "node:net";
import type { Groups } from "@holdfast/core";
import type { Server, TLSOptions } from "bun";
import type { ServerRecorder } from "../metrics/index.ts";
import { type AcceptedClient, BunLink, type Socket, type SocketData } from "./bun-link.ts";
import { clientAddress } from "./client-address.ts";

export interface SocketsOptions {
  readonly host: string;
  readonly port: number;
  readonly reusePort: boolean;
  readonly tls?: TLSOptions;
  /**
   * Web pages that may connect; `*`: all. Requests without an Origin header (not browsers) are not
   * concerned, nor those of the listener's own origin.
   */
  readonly allowedOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly messageBytesMax: number;
  /** The engine's limit on unsent bytes; Bun's own lies above it, so that a goodbye still fits. */
  readonly queueBytesMax: number;
  /** Sockets at most, below the descriptor limit: past that, upgrades are answered 503. */
  readonly socketsMax: number;
  readonly door: SocketDoor;
  readonly recorder: ServerRecorder;
  /** Told of sockets that were refused, besides the recorder; not of requests that wanted none. */
  readonly onRefused: (fields: {
    readonly reason: "origin" | "full" | "upgrade_failed";
    readonly address: string;
    readonly origin?: string;
  }) => void;
  /** Requests other than for `/connect`. */
  readonly http: (request: Request, address: string) => Response | Promise<Response>;
  readonly onError: (where: string, error: unknown) => void;
}

/** A door whose clients come by WebSocket. */
export interface SocketDoor {
  /** `offered`: the request's Sec-WebSocket-Protocol. */
  accept(offered: string | null): AcceptedClient;
}

export interface Sockets {
  readonly port: number;
  /** Closes the listener; what is connected stays. */
  stopListening(): void;
  /** Cuts what is left. */
  end(): void;
}

/**
 * How much more than a message may hold is read, at most twice that, to be able to answer what is
 * too large.
 */
const OVERSIZE_READ_BYTES_MAX = 1024 * 1024;
const CONNECT_PATH = "/connect";
/** Characters of a refused origin that the log gets. */
const ORIGIN_LOGGED_MAX = 200;
/** A page in the making of a browser's idle HTTP connection is not our business. */
const HTTP_IDLE_SECONDS = 30;

/** The engine's fan-out needs the listener, which needs the engine: this stands in until `bind`. */
export class BunGroups implements Groups {
  #server: Server<SocketData> | undefined;

  bind(server: Server<SocketData>): void {
    this.#server = server;
  }

  publish(group: string, message: string | Uint8Array): void {
    this.#server?.publish(group, message, false);
  }
}

/** Throws when the port cannot be had. */
export function listenSockets(options: SocketsOptions, groups: BunGroups): Sockets {
  const { onError } = options;
  const addressOf = clientAddress(options.trustedProxies);
  const server = Bun.serve<SocketData>({
    hostname: options.host,
    port: options.port,
    reusePort: options.reusePort,
    idleTimeout: HTTP_IDLE_SECONDS,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    fetch(request, self) {
      // Made of the Host header, which may hold anything.
      if (!URL.canParse(request.url))
        return new Response("Cannot read the request: its Host header is no host\n", {
          status: 400,
        });
      const address = addressOf(
        self.requestIP(request)?.address ?? "",
        request.headers.get("x-forwarded-for"),
      );
      const { pathname } = new URL(request.url);
      return pathname === CONNECT_PATH
        ? upgrade(options, { request, server: self, address })
        : options.http(request, address);
    },
    error(error) {
      onError("http", error);
      return new Response("The node could not answer\n", { status: 500 });
    },
    websocket: {
      data: {} as SocketData,
      // Liveness is the engine's: it counts what was received, Bun's timer also what was sent.
      idleTimeout: 0,
      sendPings: false,
      perMessageDeflate: false,
      // Above the engine's own limit, so that it can say goodbye frame_too_large; past this Bun
      // closes with 1009 and no word.
      maxPayloadLength:
        options.messageBytesMax + Math.min(options.messageBytesMax, OVERSIZE_READ_BYTES_MAX),
      backpressureLimit: options.queueBytesMax * 2,
      closeOnBackpressureLimit: true,
      open: guarded(onError, "open", (socket: Socket) => {
        socket.data.client = socket.data.accepted.open(new BunLink(socket));
      }),
      message: guarded(onError, "message", (socket: Socket, message: string | Buffer) => {
        socket.data.client?.message(message);
      }),
      drain: guarded(onError, "drain", (socket: Socket) => {
        socket.data.client?.writable();
      }),
      close: guarded(onError, "close", (socket: Socket) => {
        socket.data.client?.closed();
        socket.data.client = undefined;
      }),
    },
  });
  groups.bind(server);
  return {
    port: server.port ?? options.port,
    stopListening: () => void server.stop(),
    end: () => void server.stop(true),
  };
}

interface Upgrade {
  readonly request: Request;
  readonly server: Server<SocketData>;
  readonly address: string;
}

function upgrade(
  options: SocketsOptions,
  { request, server, address }: Upgrade,
): Response | undefined {
  const { recorder, onRefused } = options;
  const refused = (
    reason: "origin" | "full" | "upgrade_failed",
    more: { readonly origin?: string } = {},
  ): void => {
    recorder.socketRefused(reason);
    onRefused({ reason, address, ...more });
  };
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    recorder.socketRefused("not_websocket");
    return new Response("Cannot connect: expected a WebSocket upgrade\n", {
      status: 426,
      headers: { upgrade: "websocket" },
    });
  }
  if (!originAllowed(options.allowedOrigins, request)) {
    refused("origin", {
      origin: (request.headers.get("origin") ?? "").slice(0, ORIGIN_LOGGED_MAX),
    });
    return new Response("Cannot connect: this origin is not in allowedOrigins\n", { status: 403 });
  }
  if (server.pendingWebSockets >= options.socketsMax) {
    refused("full");
    return new Response("Cannot connect: the node is full\n", {
      status: 503,
      headers: { "retry-after": "1" },
    });
  }
  const accepted = options.door.accept(request.headers.get("sec-websocket-protocol"));
  const data: SocketData = { address, accepted, client: undefined };
  // Set even when empty: Bun would echo the first one offered.
  if (
    server.upgrade(request, { data, headers: { "Sec-WebSocket-Protocol": accepted.subprotocol } })
  )
    return undefined;
  refused("upgrade_failed");
  return new Response("Cannot connect: the upgrade failed\n", { status: 400 });
}

/**
 * RFC 6455 section 10.2: browsers always say where a page comes from, other clients can say what
 * they like.
 */
export function originAllowed(allowed: readonly string[], request: Request): boolean {
  const origin = request.headers.get("origin");
  if (origin === null || allowed.includes("*") || allowed.includes(origin)) return true;
  return URL.canParse(origin) && isOwnPage(new URL(origin), request.headers.get("host"));
}

/**
 * The page that the node itself serves, under an address or localhost. Not under any other name:
 * whoever owns a name can point it here (DNS rebinding), and a page of theirs would be of the
 * "same" origin.
 */
const isOwnPage = (origin: URL, host: string | null): boolean =>
  origin.host === host &&
  (origin.hostname === "localhost" || isIP(origin.hostname.replace(/^\[|\]$/g, "")) !== 0);

/** A throw in a handler would end the process: it is reported instead. */
function guarded<A extends unknown[]>(
  onError: SocketsOptions["onError"],
  where: string,
  handle: (...args: A) => void,
): (...args: A) => void {
  return (...args) => {
    try {
      handle(...args);
    } catch (error) {
      onError(where, error);
    }
  };
}
