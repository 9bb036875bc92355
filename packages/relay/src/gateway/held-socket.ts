// Owns: a held client between its socket and its upstreams' sockets.
import {
  FIRST_HOME,
  type Frame,
  HELD_LIMITS,
  HeldClient,
  type HeldLimits,
  type HeldObserver,
  type HomeId,
  type Released,
  type Room,
} from "@holdfast/rehoming";
import type { ServerWebSocket } from "bun";
import { isOfClient } from "./answers.ts";
import type { GatewayCounts } from "./gateway-ports.ts";
import { type LinkTerms, linked } from "./link-terms.ts";
import type { Route } from "./route.ts";
import { CLOCK } from "./runtime-clock.ts";
import type { SocketLink } from "./socket-link.ts";
import {
  openUpstream,
  type UpstreamRequest,
  type UpstreamSocket,
  whyNot,
} from "./upstream-socket.ts";

/** What a client's request leaves for its next upstreams. */
export interface HeldRequest {
  readonly route: Route;
  readonly key: string | undefined;
  /** Its place among the cohorts of revisions, if the route has some. */
  readonly cohort: number | undefined;
  /** The subprotocol that the first upstream chose; the next ones must choose the same. */
  readonly protocol: string;
  /** Its name, which each upstream hears. */
  readonly session: string;
  /** Upstreams that were tried for it before, by other gateways. */
  readonly attempt: number;
  readonly clientAddress: string;
  readonly requestId: string;
  upstream(address: string, attempt: number): UpstreamRequest;
}

export interface HeldSocketOptions {
  readonly request: HeldRequest;
  readonly first: { readonly address: string; readonly socket: UpstreamSocket };
  readonly limits?: HeldLimits;
  readonly room: Room;
  readonly observer: HeldObserver;
  readonly counts?: Partial<GatewayCounts>;
  /** The client is gone, and so are its upstreams. */
  readonly onOver: () => void;
  /** It speaks holdfast.socket.v1, and was greeted. */
  readonly link?: LinkTerms;
  /** Another gateway held it until now. */
  readonly former?: Released;
}

interface Home {
  readonly address: string;
  /** While it opens. */
  giveUp?: AbortController | undefined;
  socket?: UpstreamSocket;
  /** A close was asked for, or the home is dropped: what the table must hear is decided. */
  isLeft: boolean;
}

/** Codes after which a client is welcome at once: 1012, 1013. */
const COMES_BACK: ReadonlySet<number> = new Set([1012, 1013]);
/** Bytes that wait for the client, from which on its upstreams are read no further. */
const FULL_BYTES = 64 * 1024;

/** Wires one client. All calls come from Bun's handlers and from the gateway's drains. */
export class HeldSocket {
  readonly held: HeldClient;
  readonly #client: ServerWebSocket<unknown>;
  readonly #options: HeldSocketOptions;
  readonly #homes = new Map<HomeId, Home>();
  /** Why the client is read no further. */
  #isPausedByEngine = false;
  #isUpstreamFull = false;
  #areUpstreamsPaused = false;
  #isClosedHere = false;
  readonly sinceMs = performance.now();
  /** The endpoint that it had last, and the one that was asked last for it. */
  #lastAddress: string;
  #tried: string | undefined;
  /** Endpoints that did not take it since it has its home. */
  readonly #failed = new Set<string>();
  readonly #link: SocketLink | undefined;
  #lastHome = FIRST_HOME;
  #moveTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: ServerWebSocket<unknown>, options: HeldSocketOptions) {
    this.#client = client;
    this.#options = options;
    this.#lastAddress = options.first.address;
    this.held = new HeldClient(
      options.request.route.profile,
      {
        clock: CLOCK,
        random: { next: Math.random },
        client: {
          send: (frame) => this.#toClient(frame),
          close: (code, reason) => this.#closeClient(code, reason),
          pause: () => this.#pauseClient({ engine: true }),
          resume: () => this.#pauseClient({ engine: false }),
        },
        upstream: {
          open: (id, not) => void this.#open(id, not),
          send: (id, frame) => this.#toUpstream(id, frame),
          close: (id, code, reason) => this.#closeHome(id, code, reason),
          drop: (id) => this.#dropHome(id),
        },
        room: options.room,
        observer: this.#observer(),
      },
      options.limits,
      options.former,
    );
    this.#link = options.link && this.#linked(options.link);
    const { address, socket } = options.first;
    const home: Home = { address, socket, isLeft: false };
    this.#homes.set(FIRST_HOME, home);
    this.held.start();
    this.#listen(FIRST_HOME, home, socket);
  }

  /** The endpoint whose client it is; undefined: it is between two. */
  get address(): string | undefined {
    const { home } = this.held;
    return home === undefined ? undefined : this.#homes.get(home)?.address;
  }

  /** The endpoint whose client it will be, if it is on its way to one; else the one it has. */
  get destination(): string | undefined {
    return this.held.isMoving ? this.addresses.at(-1) : this.address;
  }

  /** Endpoints to which it has sockets, or opens one, the latest last. */
  get addresses(): readonly string[] {
    return [...this.#homes.values()].map(({ address }) => address);
  }

  get route(): Route {
    return this.#options.request.route;
  }

  get key(): string | undefined {
    return this.#options.request.key;
  }

  get session(): string {
    return this.#options.request.session;
  }

  /** What its handshake left. */
  get request(): HeldRequest {
    return this.#options.request;
  }

  get clientAddress(): string {
    return this.#options.request.clientAddress;
  }

  /** The gateway asked it to go, and not the client. */
  get isClosedHere(): boolean {
    return this.#isClosedHere;
  }

  /** It was asked to go, or to move to another gateway. */
  get isLeaving(): boolean {
    return this.#isClosedHere || this.#link?.isAsked === true;
  }

  /** Closes the client. What it sent before reaches its upstream. */
  dismiss(code: number, reason: string): void {
    this.held.end(code, reason);
    this.#checkOver();
  }

  /** Closes the client because of a message, which nobody gets. */
  refuse(code: number, reason: string): void {
    if (!this.held.isOver) this.#options.observer.dropped(1, "size");
    this.dismiss(code, reason);
  }

  fromClient(frame: Frame): void {
    if (this.#link?.takes(frame) !== true) this.held.fromClient(frame);
    this.#checkOver();
  }

  /** Whether it can go to another gateway. */
  get canMove(): boolean {
    const { link } = this.#options;
    if (!this.held.rehomes) return false;
    const { restore, isPrivate } = this.route.profile;
    return (
      link !== undefined && restore !== undefined && (isPrivate !== true || link.seal.isClosed)
    );
  }

  /**
   * Asks the client to go to another gateway. Who has not gone by then is closed. Again: nothing
   * more happens.
   */
  moveAway(withinMs: number, close: { readonly code: number; readonly reason: string }): void {
    const { link, request } = this.#options;
    if (link === undefined || this.#link === undefined || this.#link.isAsked) return;
    const who = { session: this.session, attempt: request.attempt + this.#lastHome + 1 };
    this.#link.move(withinMs, link.seal.isClosed ? link.seal.seal("ticket", who) : undefined);
    this.#moveTimer = setTimeout(() => this.dismiss(close.code, close.reason), withinMs);
  }

  /** Tells it within which time it should come back, if this gateway is lost. */
  tellWindow(windowMs: number): void {
    this.#link?.window(windowMs);
  }

  /** The client's socket takes more again. */
  drained(): void {
    if (!this.#areUpstreamsPaused || this.#client.getBufferedAmount() > FULL_BYTES / 2) return;
    this.#areUpstreamsPaused = false;
    for (const { socket } of this.#homes.values()) socket?.resume();
  }

  clientClosed(code: number, reason: string): void {
    this.held.clientClosed(code, reason);
    this.#checkOver();
  }

  #linked(terms: LinkTerms): SocketLink {
    const { limits = HELD_LIMITS, counts } = this.#options;
    const { held, session } = this;
    return linked(
      terms,
      { held, session, profile: this.route.profile.name },
      {
        settleMsMax: limits.settleMsMax,
        tell: (text) => void this.#client.sendText(text),
        close: (code, reason) => this.#closeClient(code, reason),
        left: () => counts?.movedAway?.(this.route),
      },
    );
  }

  #closeClient(code: number, reason: string): void {
    this.#isClosedHere = true;
    const { link } = this.#options;
    if (link !== undefined && COMES_BACK.has(code)) this.#link?.retry(link.returnWindowMs());
    this.#client.close(code, reason);
  }

  /** Tells the endpoint what its clients felt, too. */
  #observer(): HeldObserver {
    const { observer, request } = this.#options;
    const { endpoints } = request.route;
    return {
      moved: (cause, pausedMs) => {
        this.#lastAddress = this.address ?? this.#lastAddress;
        this.#failed.clear();
        endpoints.moved(this.#lastAddress);
        observer.moved(cause, pausedMs);
      },
      moveFailed: (cause, why) => {
        if (this.#tried !== undefined) {
          endpoints.moveFailed(this.#tried);
          this.#failed.add(this.#tried);
        }
        observer.moveFailed(cause, why);
      },
      dropped: (frames, why) => {
        endpoints.missed(this.#lastAddress, frames);
        observer.dropped(frames, why);
      },
      ended: (code, reason) => observer.ended(code, reason),
    };
  }

  async #open(id: HomeId, not: HomeId | undefined): Promise<void> {
    const { route, key, cohort, protocol, upstream } = this.#options.request;
    const avoided = not === undefined ? undefined : this.#homes.get(not)?.address;
    const address = route.endpoints.choose(
      {
        ...{ key, cohort, zone: route.zone, chance: Math.random(), from: avoided },
        // One that hangs takes seconds each time, and is tried last.
        not: new Set(avoided === undefined ? this.#failed : [avoided, ...this.#failed]),
      },
      performance.now(),
    );
    this.#tried = address;
    if (address === undefined) {
      await Promise.resolve();
      return this.held.homeFailed(id, "no endpoint takes clients");
    }
    this.#lastHome = id;
    const giveUp = new AbortController();
    const home: Home = { address, giveUp, isLeft: false };
    this.#homes.set(id, home);
    const beganMs = performance.now();
    const opening = await openUpstream(upstream(address, id), giveUp.signal);
    home.giveUp = undefined;
    if (home.isLeft) {
      if (opening.kind === "open") opening.socket.drop();
      return;
    }
    if (opening.kind === "open" && opening.protocol === protocol) {
      home.socket = opening.socket;
      const nowMs = performance.now();
      route.endpoints.opened(address, nowMs, nowMs - beganMs);
      this.#options.counts?.upstreamOpened?.(route);
      this.held.homeOpened(id);
      if (!home.isLeft) this.#listen(id, home, opening.socket);
      return;
    }
    this.#homes.delete(id);
    if (opening.kind === "open") opening.socket.drop();
    this.#options.counts?.upstreamFailed?.(
      route,
      opening.kind === "failed" ? opening.cause : "refused",
      { address, text: whyNot(opening) },
    );
    // An application that refuses this client is well.
    if (opening.kind === "failed") route.endpoints.failed(address, performance.now());
    else route.endpoints.closed(address, false, performance.now());
    const isRefused = opening.kind === "refused" && isOfClient(opening.refusal.status);
    this.held.homeFailed(id, whyNot(opening), isRefused);
    this.#checkOver();
  }

  #listen(id: HomeId, home: Home, socket: UpstreamSocket): void {
    socket.listen({
      frame: (frame) => this.held.fromHome(id, frame),
      closed: (code, reason) => {
        this.#homes.delete(id);
        const isBroken = code === 1006 && !home.isLeft;
        this.#options.request.route.endpoints.closed(home.address, isBroken, performance.now());
        this.held.homeClosed(id, code, reason);
        this.#checkOver();
      },
    });
    if (this.#areUpstreamsPaused) socket.pause();
  }

  #toClient(frame: Frame): void {
    const { traffic } = this.route;
    if (traffic !== undefined) traffic.out += 1;
    if (typeof frame === "string") this.#client.sendText(frame);
    else this.#client.sendBinary(frame);
    if (this.#areUpstreamsPaused || this.#client.getBufferedAmount() <= FULL_BYTES) return;
    this.#areUpstreamsPaused = true;
    for (const { socket } of this.#homes.values()) socket?.pause();
  }

  #toUpstream(id: HomeId, frame: Frame): void {
    const socket = this.#homes.get(id)?.socket;
    if (socket?.send(frame, () => this.#pauseClient({ upstream: false })) === false)
      this.#pauseClient({ upstream: true });
  }

  #pauseClient(by: { readonly engine?: boolean; readonly upstream?: boolean }): void {
    const before = this.#isPausedByEngine || this.#isUpstreamFull;
    this.#isPausedByEngine = by.engine ?? this.#isPausedByEngine;
    this.#isUpstreamFull = by.upstream ?? this.#isUpstreamFull;
    const now = this.#isPausedByEngine || this.#isUpstreamFull;
    if (now === before || this.#client.readyState !== WebSocket.OPEN) return;
    if (now) this.#client.pause();
    else this.#client.resume();
  }

  #closeHome(id: HomeId, code: number, reason: string): void {
    const home = this.#homes.get(id);
    if (home === undefined) return;
    home.isLeft = true;
    home.socket?.close(code, reason);
  }

  #dropHome(id: HomeId): void {
    const home = this.#homes.get(id);
    if (home === undefined) return;
    home.isLeft = true;
    this.#homes.delete(id);
    home.giveUp?.abort();
    home.socket?.drop();
    this.#options.request.route.endpoints.closed(home.address, false, performance.now());
  }

  #checkOver(): void {
    if (this.held.isOver) {
      clearTimeout(this.#moveTimer);
      this.#link?.ended();
    }
    if (this.held.isOver && this.#homes.size === 0) this.#options.onOver();
  }
}
