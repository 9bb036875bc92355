// Owns: the public listener: the handler for each path, and WebSockets for the door.
// docs/design/runtime.md has the reasons for the rules here.
import type { Groups, Link } from "@holdfast/core";
import type { Server, TLSOptions } from "bun";
import type { ServerRecorder } from "../metrics/index.ts";
import {
  EVENTS_PATH,
  type EventsEndpoint,
  type EventsPath,
  SOCKET_PATH,
  TICKET_PATH,
} from "../streams/index.ts";
import { BunLink, type Socket, type SocketData } from "./bun-link.ts";
import { type ForwardedRules, forwardedReader } from "./forwarded.ts";
import { guarded } from "./guarded.ts";
import { type OriginRules, originCheck } from "./origins.ts";
import { type RefusedSocket, type SocketDoor, type UpgradeOptions, upgrade } from "./upgrade.ts";

export interface SocketsOptions {
  readonly host: string;
  readonly port: number;
  readonly reusePort: boolean;
  readonly tls?: TLSOptions;
  /** `/`, or what stands before every path. */
  readonly basePath: string;
  readonly origins: OriginRules;
  readonly forwarded: ForwardedRules;
  readonly messageBytesMax: number;
  /** The engine's limit on unsent bytes; Bun's own lies above it, so that a goodbye still fits. */
  readonly queueBytesMax: number;
  /** Most sockets, below the descriptor limit. At the limit, upgrades are answered with 503. */
  readonly socketsMax: number;
  readonly door: SocketDoor;
  readonly recorder: ServerRecorder;
  readonly onRefused: (fields: RefusedSocket) => void;
  /** A proxy's header about a client was ignored: all clients behind `peer` have its address. */
  readonly onUnread: (reason: "untrusted" | "unreadable", peer: string) => void;
  readonly api: ApiDoor;
  readonly events: EventsEndpoint;
  /** Requests that mean neither a socket nor the API. */
  readonly page: (request: Request) => Response | Promise<Response>;
  readonly onError: (where: string, error: unknown) => void;
  /** After which a silent HTTP connection is cut. Default 30. */
  readonly httpIdleSeconds?: number;
}

/** The HTTP API as the listener knows it. */
export interface ApiDoor {
  /** The beginning of every path of the API, such as `/api/v1`. */
  readonly base: string;
  /** Each operation's path. */
  readonly paths: readonly string[];
  /** `path` is one of `paths`; undefined: another one below `base`. */
  readonly answer: (
    request: Request,
    from: {
      readonly address: string;
      readonly path: string | undefined;
      readonly mayCut: (may: boolean) => void;
    },
  ) => Promise<Response>;
}

export interface Sockets {
  readonly port: number;
  /** Closes the listener; open connections stay. */
  stopListening(): void;
  /** Cuts the connections that are left. */
  end(): void;
}

/**
 * Bytes that are read beyond the longest message, so that the node can answer a message that is too
 * large. In all, at most twice the longest message is read.
 */
const OVERSIZE_READ_BYTES_MAX = 1024 * 1024;
/** Longer messages are measured: their cost counts towards the share of their sender. */
const MEASURED_FROM_LENGTH = 2048;
/** Close code of a connection that was lost (RFC 6455). */
const NO_CLOSING_HANDSHAKE = 1006;
const CONNECT_PATH = "/connect";
/** Seconds after which an idle HTTP connection is closed. */
export const HTTP_IDLE_SECONDS = 30;

/**
 * The engine's fan-out needs the listener, and the listener needs the engine. This takes the
 * listener's place until `bind`.
 */
export class BunGroups implements Groups {
  #server: Server<SocketData> | undefined;
  /** Links that are no WebSockets, by group. */
  readonly #others = new Map<string, Set<Pick<Link, "send">>>();

  bind(server: Server<SocketData>): void {
    this.#server = server;
  }

  publish(group: string, message: string | Uint8Array): void {
    this.#server?.publish(group, message, false);
    for (const link of this.#others.get(group) ?? []) link.send(message);
  }

  join(group: string, link: Pick<Link, "send">): void {
    const links = this.#others.get(group);
    if (links === undefined) this.#others.set(group, new Set([link]));
    else links.add(link);
  }

  leave(group: string, link: Pick<Link, "send">): void {
    const links = this.#others.get(group);
    links?.delete(link);
    if (links?.size === 0) this.#others.delete(group);
  }
}

/** Throws if it cannot listen on the port. */
export function listenSockets(options: SocketsOptions, groups: BunGroups): Sockets {
  const { onError } = options;
  const server = Bun.serve<SocketData>({
    hostname: options.host,
    port: options.port,
    reusePort: options.reusePort,
    idleTimeout: options.httpIdleSeconds ?? HTTP_IDLE_SECONDS,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    // Bun compares a route with the path as it was sent. `request.url` cannot be used: there
    // `/connect/../api/v1` has become `/api/v1`. So a client could pass a proxy that allows only
    // `/connect`.
    routes: routesOf(options),
    fetch: (request) => (hasHost(request) ? options.page(request) : NO_HOST()),
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
      // Above the engine's own limit, so that the engine can say goodbye `frame_too_large`. Above
      // this limit Bun closes with 1009 and no reason.
      maxPayloadLength:
        options.messageBytesMax + Math.min(options.messageBytesMax, OVERSIZE_READ_BYTES_MAX),
      backpressureLimit: options.queueBytesMax * 2,
      closeOnBackpressureLimit: true,
      open: guarded(onError, "open", (socket: Socket) => {
        socket.data.client = socket.data.accepted.open(new BunLink(socket));
      }),
      message: guarded(onError, "message", (socket: Socket, message: string | Buffer) => {
        const { client } = socket.data;
        if (message.length < MEASURED_FROM_LENGTH) return client?.message(message);
        const beganMs = performance.now();
        client?.message(message);
        client?.processed(performance.now() - beganMs);
      }),
      drain: guarded(onError, "drain", (socket: Socket) => {
        socket.data.client?.writable();
      }),
      pong: guarded(onError, "pong", (socket: Socket) => {
        socket.data.client?.alive?.();
      }),
      close: guarded(onError, "close", (socket: Socket, code: number) => {
        socket.data.client?.closed(code !== NO_CLOSING_HANDSHAKE);
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

type Handler = (
  request: Request,
  server: Server<SocketData>,
) => Response | undefined | Promise<Response | undefined>;

function routesOf(options: SocketsOptions): Record<string, Handler> {
  const { recorder, onRefused, onUnread, api, door: socketDoor, socketsMax, tls } = options;
  const { httpIdleSeconds: idleSeconds = HTTP_IDLE_SECONDS } = options;
  const read = forwardedReader(options.forwarded);
  const upgrades: UpgradeOptions = {
    mayConnect: originCheck(options.origins),
    door: socketDoor,
    socketsMax,
    scheme: tls === undefined ? undefined : "https",
    recorder,
    onRefused,
  };
  const door =
    (answer: (request: Request, found: Found) => ReturnType<Handler>): Handler =>
    (request, server) => {
      if (!hasHost(request)) return NO_HOST();
      const peer = server.requestIP(request)?.address ?? "";
      const client = read(peer, request.headers);
      if (client.unread !== undefined) onUnread(client.unread, peer);
      return answer(request, { server, client });
    };
  const base = options.basePath === "/" ? "" : options.basePath;
  const apiDoor = (path: string | undefined): Handler =>
    door((request, { server, client }) =>
      api.answer(request, {
        address: client.address,
        path,
        // 0: Bun's timer would cut a GET whose answer takes longer, and a stream that is silent.
        mayCut: (may) => server.timeout(request, may ? idleSeconds : 0),
      }),
    );
  const eventsDoor = (path: EventsPath): Handler =>
    door((request, { server, client }) =>
      options.events.answer(request, path, {
        address: client.address,
        host: client.host,
        scheme: client.scheme ?? upgrades.scheme,
        mayCut: (may) => server.timeout(request, may ? idleSeconds : 0),
      }),
    );
  return {
    [base + EVENTS_PATH]: eventsDoor("events"),
    [base + TICKET_PATH]: eventsDoor("ticket"),
    [base + SOCKET_PATH]: eventsDoor("socket"),
    [base + CONNECT_PATH]: door((request, found) => upgrade(upgrades, { request, ...found })),
    ...Object.fromEntries(api.paths.map((path) => [base + path, apiDoor(path)])),
    [`${base}${api.base}/*`]: apiDoor(undefined),
  };
}

interface Found {
  readonly server: Server<SocketData>;
  readonly client: ReturnType<ReturnType<typeof forwardedReader>>;
}

/** The URL is made of the Host header, which may hold anything, and may be there twice. */
export const hasHost = (request: Request): boolean =>
  URL.canParse(request.url) && request.headers.get("host")?.includes(",") !== true;
export const NO_HOST = (): Response =>
  new Response("Cannot read the request: its Host header is no host\n", { status: 400 });
