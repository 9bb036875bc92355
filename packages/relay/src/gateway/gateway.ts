// Owns: the gateway's listener: requests to routes, sockets to held clients.
import { readOffer, type SocketOffer } from "@holdfast/protocol/socket";
import type { Released } from "@holdfast/rehoming";
import type { Server } from "bun";
import { turned } from "./answers.ts";
import { Arrivals, answered } from "./arrivals.ts";
import { firstHome } from "./first-home.ts";
import type { GatewayOptions } from "./gateway-ports.ts";
import { readHandshake, whyUnclear } from "./handshake.ts";
import { HeldRequest } from "./held-request.ts";
import { HeldSocket } from "./held-socket.ts";
import { holdOpen } from "./hold-open.ts";
import type { LinkTerms } from "./link-terms.ts";
import { isLonger } from "./message-size.ts";
import { passThrough } from "./pass-through.ts";
import { Places } from "./places.ts";
import { clientProtocol, type Route, routeOf } from "./route.ts";
import { SocketSeal } from "./socket-seal.ts";
import { longestMessage, longestState } from "./socket-state.ts";
import {
  type ClientFacts,
  REQUEST_ID,
  requestHeaders,
  requestIdOf,
  responseHeaders,
} from "./upstream-headers.ts";
import type { UpstreamSocket } from "./upstream-socket.ts";

interface Data {
  readonly request: HeldRequest;
  readonly first: { readonly address: string; readonly socket: UpstreamSocket };
  readonly offer: SocketOffer | undefined;
  /** Absent: it comes from another gateway, and has not said yet what that one knew. */
  held?: HeldSocket;
}

const RETRY_AFTER_SECONDS = 2;
/** Bun's own limit lies far above what ever waits, since upstreams are paused long before. */
const BACKLOG_SLACK_BYTES = 1024 * 1024;
const TOO_BIG = 1009;
const HANDSHAKE_SECONDS = 10;
const IDLE_SECONDS = 120;
const REQUEST_BYTES_MAX = 64 * 1024 * 1024;
const RETURN_WINDOW_MS = 1000;

/** An upgrade request on its way. */
interface Asked {
  readonly request: Request;
  readonly url: URL;
  readonly route: Route;
  readonly client: ClientFacts;
}

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #server: Server<Data>;
  readonly #held = new Set<HeldSocket>();
  readonly #places = new Places();
  readonly #onOver = (held: HeldSocket): void => void this.#held.delete(held);
  readonly #seal = new SocketSeal(() => this.#options.socketKeys ?? []);
  readonly #arrivals = new Arrivals<Bun.ServerWebSocket<Data>>(this.#seal);
  /** Handshakes and requests under way, by route. */
  readonly #pending = new WeakMap<Route, number>();
  readonly #requests = new WeakMap<Route, number>();

  constructor(options: GatewayOptions) {
    this.#options = options;
    const bytesMax =
      options.messageBytesMax ??
      Math.max(0, ...options.routes.map(({ messageBytesMax }) => messageBytesMax));
    this.#server = Bun.serve<Data>({
      hostname: options.host,
      port: options.port,
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      idleTimeout: options.handshakeSeconds ?? HANDSHAKE_SECONDS,
      maxRequestBodySize: options.requestBytesMax ?? REQUEST_BYTES_MAX,
      development: false,
      fetch: (request, server) => this.#answer(request, server),
      error: (error) => {
        this.#failed("http", error);
        return new Response("The gateway could not answer.\n", { status: 500 });
      },
      websocket: {
        data: {} as Data,
        idleTimeout: options.idleSeconds ?? IDLE_SECONDS,
        sendPings: true,
        maxPayloadLength: longestMessage(bytesMax),
        backpressureLimit: 2 * bytesMax + BACKLOG_SLACK_BYTES,
        closeOnBackpressureLimit: true,
        perMessageDeflate: false,
        open: this.#guarded("open", (socket) => this.#opened(socket)),
        message: this.#guarded("message", (socket, frame: string | Buffer) => {
          const { held, request } = socket.data;
          if (held === undefined) return this.#arrived(socket, frame);
          const { traffic, messageBytesMax } = request.route;
          if (traffic !== undefined) traffic.in += 1;
          if (isLonger(frame, messageBytesMax))
            held?.refuse(TOO_BIG, `A message has at most ${messageBytesMax} bytes`);
          else held?.fromClient(frame);
        }),
        drain: this.#guarded("drain", (socket) => socket.data.held?.drained()),
        close: this.#guarded("close", (socket, code: number, reason: string) => {
          const { held, request } = socket.data;
          this.#places.give(request.clientAddress);
          const by = held?.isClosedHere === true ? "gateway" : "client";
          options.observer.closed?.(request.route, code, by);
          if (held !== undefined) held.clientClosed(code, reason);
          else if (this.#arrivals.forget(socket)) this.#neverHeld(socket.data);
        }),
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

  /** Clients, and those on their way. */
  get clientCount(): number {
    return this.#places.count;
  }

  /** No new clients; those that are held stay. */
  stopListening(): void {
    void this.#server.stop();
  }

  /** Cuts whoever is left. */
  end(): void {
    void this.#server.stop(true);
  }

  /** Tells clients that listen within which time to come back, if it is another one now. */
  tellWindow(): void {
    for (const held of this.#held) held.tellWindow(this.#returnWindowMs());
  }

  /** A server of a route came: its clients without one come to it, so many a second. */
  hurry(route: Route, perSecond: number): void {
    const waiting = this.clients(route).filter(({ held }) => held.home === undefined);
    for (const { held } of waiting) held.hurry((1000 * waiting.length) / perSecond);
  }

  #returnWindowMs(): number {
    return Math.round(this.#options.returnWindowMs?.() ?? RETURN_WINDOW_MS);
  }

  #opened(socket: Bun.ServerWebSocket<Data>): void {
    const { offer } = socket.data;
    if (offer === undefined || this.#arrivals.greet(socket, offer, this.#returnWindowMs()))
      this.#hold(socket);
  }

  #arrived(socket: Bun.ServerWebSocket<Data>, frame: string | Buffer): void {
    if (!this.#arrivals.forget(socket)) return;
    const former = this.#arrivals.takeOver(socket, frame, socket.data);
    if (former === undefined) return this.#neverHeld(socket.data);
    this.#options.observer.movedHere?.(socket.data.request.route);
    this.#hold(socket, former);
  }

  #neverHeld({ first, request }: Data): void {
    request.route.endpoints.closed(first.address, false, performance.now());
    first.socket.drop();
  }

  #hold(socket: Bun.ServerWebSocket<Data>, former?: Released): void {
    const options = this.#options;
    const { request, first, offer } = socket.data;
    const held = new HeldSocket(socket, {
      ...{ request, first, room: options.roomOf?.() ?? options.room },
      observer: options.observerOf?.(request.route) ?? options.observer,
      counts: options.observer,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      ...(offer && { link: this.#link(offer, request.route) }),
      ...(former && { former }),
      onOver: this.#onOver,
    });
    socket.data.held = held;
    // Its upstream may have closed already: then it is over before it is held.
    if (!held.isGone) this.#held.add(held);
    options.observer.held?.(request.route);
  }

  #link({ name }: SocketOffer, route: Route): LinkTerms {
    const stateCharsMax = longestState(this.#options.messageBytesMax ?? route.messageBytesMax);
    const returnWindowMs = (): number => this.#returnWindowMs();
    return { name, seal: this.#seal, stateCharsMax, returnWindowMs };
  }

  async #answer(request: Request, server: Server<Data>): Promise<Response | undefined> {
    // Its URL is made of the Host header, which may hold anything.
    if (!URL.canParse(request.url))
      return this.#refused(undefined, 400, "The Host header is no host.\n");
    const url = new URL(request.url);
    const unclear = whyUnclear(request);
    if (unclear !== undefined) return this.#refused(undefined, 400, unclear);
    const route = routeOf(this.#options.routes, url);
    if (route === undefined)
      return this.#refused(undefined, 404, "No route for this host and path.\n");
    const client = this.#clientOf(request, url, server);
    const asked = { request, url, route, client };
    const isUpgrade = request.headers.get("upgrade")?.toLowerCase() === "websocket";
    const answer = await (isUpgrade ? this.#knock(asked, server) : this.#pass(asked, server));
    if (answer === undefined) return undefined;
    // An application that says an id of its own is left alone.
    if (!answer.headers.has(REQUEST_ID)) answer.headers.set(REQUEST_ID, client.requestId);
    const { status } = answer;
    this.#options.observer.told?.(route, { status, isUpgrade, requestId: client.requestId });
    return answer;
  }

  #clientOf(request: Request, url: URL, server: Server<Data>): ClientFacts {
    const peer = server.requestIP(request)?.address ?? "unknown";
    const facts = this.#options.clientOf?.(peer, request) ?? {
      address: peer,
      isTrusted: this.#options.isTrusted?.(peer) ?? false,
    };
    const isTls = url.protocol === "https:";
    return { ...facts, isTls, requestId: requestIdOf(request.headers, facts.isTrusted) };
  }

  async #pass({ request, url, route, client }: Asked, server: Server<Data>): Promise<Response> {
    const { observer } = this.#options;
    const count = this.#requests.get(route) ?? 0;
    if (count >= (route.requestsMax ?? Number.POSITIVE_INFINITY)) {
      observer.answered?.(route, 503);
      return turned(503, RETRY_AFTER_SECONDS, "Too many requests are under way.\n");
    }
    this.#requests.set(route, count + 1);
    // The route's own limit of time holds: an answer may take longer than a handshake.
    const stopHolding = holdOpen(server, request);
    const onOver = (): void => {
      stopHolding();
      this.#requests.set(route, (this.#requests.get(route) ?? 1) - 1);
    };
    const answer = await passThrough(request, url, { route, client, onOver });
    observer.answered?.(route, answer.status);
    return answer;
  }

  /** Whether there is a place for another client; then its upstream is opened. */
  async #knock(asked: Asked, server: Server<Data>): Promise<Response | undefined> {
    const { route, client } = asked;
    const options = this.#options;
    const no = options.admit?.(client, route);
    if (no !== undefined) return this.#turned(route, no.status, no);
    const full = this.#places.take(client.address, {
      clientsMax: options.clientsMax,
      perAddressMax: options.clientsPerAddressMax ?? Number.POSITIVE_INFINITY,
    });
    if (full === "all")
      return this.#turned(route, 503, { text: "This gateway holds as many clients as it may.\n" });
    if (full === "address")
      return this.#turned(route, 429, { text: "This address has as many clients as it may.\n" });
    const pending = this.#pending.get(route) ?? 0;
    let isHeld = false;
    try {
      if (pending >= (route.pendingMax ?? Number.POSITIVE_INFINITY))
        return this.#turned(route, 503, { text: "Too many clients wait for a server.\n" });
      this.#pending.set(route, pending + 1);
      const answer = await this.#upgrade(asked, server).finally(() =>
        this.#pending.set(route, (this.#pending.get(route) ?? 1) - 1),
      );
      isHeld = answer === undefined;
      return answer;
    } finally {
      if (!isHeld) this.#places.give(client.address);
    }
  }

  /** Undefined: it is a socket now. */
  async #upgrade(
    { request, url, route, client }: Asked,
    server: Server<Data>,
  ): Promise<Response | undefined> {
    const read = readHandshake(request);
    if (!read.ok) {
      this.#options.observer.refused(read.answer.status, route);
      return read.answer;
    }
    const { subprotocols, frameBytesExtra } = route.profile;
    const { offer, protocols: own } = readOffer(read.protocols);
    const who = this.#arrivals.identify(offer, route.profile);
    if (who === undefined) return this.#refused(route, 400, "No client moves here so.\n");
    const key = route.keyOf?.(request, url);
    const cohort = route.cohortOf?.(request, url);
    const held = new HeldRequest({
      ...{ route, key, cohort, ...who },
      ...{ clientAddress: client.address, requestId: client.requestId },
      target: `${url.pathname}${url.search}`,
      protocols: subprotocols?.offered(own) ?? own,
      frameBytesExtra: frameBytesExtra ?? 0,
      headers: requestHeaders(request.headers, client),
    });
    // The upstream has its own limit of time.
    const stopHolding = holdOpen(server, request);
    const { observer } = this.#options;
    const { signal } = request;
    const found = await firstHome(held, signal, observer);
    stopHolding();
    if (found === undefined)
      return this.#turned(route, 503, { text: "No server takes clients now.\n" });
    if ("unfit" in found) return this.#refused(route, 400, `${found.unfit}\n`);
    const { address, opening } = found;
    if (opening.kind === "refused") {
      const { status, body } = opening.refusal;
      this.#options.observer.refused(status, route);
      return new Response(new Uint8Array(body), {
        status,
        headers: responseHeaders(opening.refusal.headers),
      });
    }
    const { protocol, socket } = opening;
    held.protocol = protocol;
    const data: Data = { offer, request: held, first: { address, socket } };
    const chosen = answered(clientProtocol(route, protocol) ?? "", own, offer);
    const header: [string, string] = ["Sec-WebSocket-Protocol", chosen];
    if (server.upgrade(request, { headers: [...responseHeaders(opening.headers), header], data }))
      return undefined;
    route.endpoints.closed(address, false, performance.now());
    socket.drop();
    return this.#refused(route, 400, "This is no WebSocket handshake.\n");
  }

  #turned(
    route: Route,
    status: number,
    {
      retryAfterSeconds = RETRY_AFTER_SECONDS,
      text,
    }: Partial<{ readonly retryAfterSeconds: number }> & {
      readonly text: string;
    },
  ): Response {
    this.#options.observer.refused(status, route);
    return turned(status, retryAfterSeconds, text);
  }

  #refused(route: Route | undefined, status: number, text: string): Response {
    this.#options.observer.refused(status, route);
    return new Response(text, { status });
  }

  #failed(where: string, error: unknown): void {
    this.#options.observer.failed?.(where, error);
  }

  /** A throw in a handler would end the process: it is reported instead. */
  #guarded<A extends unknown[]>(
    where: string,
    handle: (socket: Bun.ServerWebSocket<Data>, ...rest: A) => void,
  ): (socket: Bun.ServerWebSocket<Data>, ...rest: A) => void {
    return (socket, ...rest) => {
      try {
        handle(socket, ...rest);
      } catch (error) {
        this.#failed(where, error);
      }
    };
  }
}
