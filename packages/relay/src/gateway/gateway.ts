// Owns: the gateway's listener: requests to routes, sockets to held clients.
import type { HeldLimits, HeldObserver, Room } from "@holdfast/rehoming";
import type { Server } from "bun";
import { type HeldRequest, HeldSocket } from "./held-socket.ts";
import { passThrough } from "./pass-through.ts";
import { type Route, routeOf } from "./route.ts";
import { type ClientFacts, requestHeaders, responseHeaders } from "./upstream-headers.ts";
import { type Opening, openUpstream, type UpstreamSocket } from "./upstream-socket.ts";

export interface GatewayOptions {
  readonly host: string;
  readonly port: number;
  readonly routes: readonly Route[];
  readonly limits?: HeldLimits;
  readonly room: Room;
  /** Most held clients; further upgrades are answered with 503. */
  readonly clientsMax: number;
  /** Whether `X-Forwarded-*` of requests from this address are believed. */
  readonly isTrusted?: (address: string) => boolean;
  readonly observer: HeldObserver & {
    /** A request that got no socket, by status. */
    refused(status: number): void;
  };
}

interface Data {
  readonly request: HeldRequest;
  readonly first: { readonly address: string; readonly socket: UpstreamSocket };
  held?: HeldSocket;
}

/** Endpoints that are tried before a client is told that none can be had. */
const TRIES = 3;
const RETRY_AFTER_SECONDS = 2;
/** Bun's own limit lies far above what ever waits, since upstreams are paused long before. */
const BACKLOG_SLACK_BYTES = 1024 * 1024;

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #server: Server<Data>;
  readonly #held = new Set<HeldSocket>();

  constructor(options: GatewayOptions) {
    this.#options = options;
    const bytesMax = Math.max(...options.routes.map(({ messageBytesMax }) => messageBytesMax));
    this.#server = Bun.serve<Data>({
      hostname: options.host,
      port: options.port,
      fetch: (request, server) => this.#answer(request, server),
      websocket: {
        data: {} as Data,
        maxPayloadLength: bytesMax,
        backpressureLimit: 2 * bytesMax + BACKLOG_SLACK_BYTES,
        closeOnBackpressureLimit: true,
        perMessageDeflate: false,
        open: (socket) => {
          const { request, first } = socket.data;
          const held = new HeldSocket(socket, {
            ...{ request, first, room: options.room, observer: options.observer },
            ...(options.limits === undefined ? {} : { limits: options.limits }),
            onOver: () => this.#held.delete(held),
          });
          socket.data.held = held;
          this.#held.add(held);
        },
        message: (socket, frame) => socket.data.held?.fromClient(frame),
        drain: (socket) => socket.data.held?.drained(),
        close: (socket, code, reason) => socket.data.held?.clientClosed(code, reason),
      },
    });
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  /** Held clients whose home is at this address, or all. */
  clients(route?: Route, address?: string): readonly HeldSocket[] {
    return [...this.#held].filter(
      (held) =>
        (route === undefined || held.route === route) &&
        (address === undefined || held.address === address),
    );
  }

  /** No new clients; those that are held stay. */
  stopListening(): void {
    void this.#server.stop();
  }

  /** Cuts whoever is left. */
  end(): void {
    void this.#server.stop(true);
  }

  async #answer(request: Request, server: Server<Data>): Promise<Response | undefined> {
    const url = new URL(request.url);
    const route = routeOf(this.#options.routes, url);
    if (route === undefined) return this.#refused(404, "No route for this host and path.\n");
    const address = server.requestIP(request)?.address ?? "unknown";
    const client: ClientFacts = {
      ...{ address, isTls: url.protocol === "https:" },
      isTrusted: this.#options.isTrusted?.(address) ?? false,
    };
    const isUpgrade = request.headers.get("upgrade")?.toLowerCase() === "websocket";
    if (!isUpgrade) return passThrough(request, url, { route, client });
    if (server.pendingWebSockets >= this.#options.clientsMax)
      return this.#refused(503, "This gateway holds as many clients as it may.\n");
    return this.#upgrade(request, server, { url, route, client });
  }

  async #upgrade(
    request: Request,
    server: Server<Data>,
    {
      url,
      route,
      client,
    }: { readonly url: URL; readonly route: Route; readonly client: ClientFacts },
  ): Promise<Response | undefined> {
    const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",");
    const protocols = offered.map((name) => name.trim()).filter((name) => name !== "");
    const key = route.keyOf?.(request, url);
    const headers = new Headers(request.headers);
    const session = crypto.randomUUID();
    const upstream: HeldRequest["upstream"] = (address, attempt) => ({
      url: `${route.isTls === true ? "wss" : "ws"}://${address}${url.pathname}${url.search}`,
      headers: requestHeaders(headers, client, { session, attempt }),
      ...{ protocols, openMsMax: route.openMsMax, messageBytesMax: route.messageBytesMax },
    });
    const found = await this.#first(route, key, { upstream, signal: request.signal });
    if (found === undefined) return this.#refused(503, "No server takes clients now.\n");
    const { address, opening } = found;
    if (opening.kind === "refused") {
      const { status, body } = opening.refusal;
      this.#options.observer.refused(status);
      return new Response(new Uint8Array(body), {
        status,
        headers: responseHeaders(opening.refusal.headers),
      });
    }
    const { protocol, socket } = opening;
    const accepted = server.upgrade(request, {
      headers: [...responseHeaders(opening.headers), ["Sec-WebSocket-Protocol", protocol]],
      data: {
        request: { route, key, protocol, upstream },
        first: { address, socket },
      },
    });
    if (accepted) return undefined;
    route.endpoints.closed(address, false, performance.now());
    socket.drop();
    return this.#refused(400, "This is no WebSocket handshake.\n");
  }

  /** The first upstream that answers, with a socket or with its word why not. */
  async #first(
    route: Route,
    key: string | undefined,
    { upstream, signal }: Pick<HeldRequest, "upstream"> & { readonly signal: AbortSignal },
  ): Promise<{ readonly address: string; readonly opening: Answered } | undefined> {
    const not = new Set<string>();
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const choice = { not, key, chance: Math.random() };
      const address = route.endpoints.choose(choice, performance.now());
      if (address === undefined) return undefined;
      const opening = await openUpstream(upstream(address, 0), signal);
      const nowMs = performance.now();
      if (opening.kind === "open") {
        route.endpoints.opened(address, nowMs);
        return { address, opening };
      }
      if (opening.kind === "refused" && !isOfNoServer(opening.refusal.status)) {
        route.endpoints.closed(address, false, nowMs);
        return { address, opening };
      }
      if (signal.aborted) {
        route.endpoints.closed(address, false, nowMs);
        return undefined;
      }
      route.endpoints.failed(address, nowMs);
      not.add(address);
    }
    return undefined;
  }

  #refused(status: number, text: string): Response {
    this.#options.observer.refused(status);
    const headers = status === 503 ? { "retry-after": String(RETRY_AFTER_SECONDS) } : {};
    return new Response(text, { status, headers });
  }
}

type Answered = Exclude<Opening, { readonly kind: "failed" }>;

/** A proxy's word that it has no server, or a server's that it takes nobody: another may. */
const isOfNoServer = (status: number): boolean => status >= 502 && status <= 504;
