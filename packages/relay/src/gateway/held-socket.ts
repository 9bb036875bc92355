// Owns: a held client between its socket and its upstreams' sockets.
import {
  FIRST_HOME,
  type Frame,
  HELD_LIMITS,
  HeldClient,
  type HeldLimits,
  type HeldObserver,
  type Released,
  type Room,
} from "@holdfast/rehoming";
import type { ServerWebSocket } from "bun";
import { type ClientSideOwner, HeldSide } from "./client-side.ts";
import type { GatewayCounts } from "./gateway-ports.ts";
import type { HeldRequest } from "./held-request.ts";
import { Homes, type HomesOwner } from "./homes.ts";
import { type LinkTerms, linked } from "./link-terms.ts";
import type { Route } from "./route.ts";
import { CLOCK } from "./runtime-clock.ts";
import type { SocketLink } from "./socket-link.ts";
import type { UpstreamSocket } from "./upstream-socket.ts";

export interface HeldSocketOptions {
  readonly request: HeldRequest;
  readonly first: { readonly address: string; readonly socket: UpstreamSocket };
  readonly limits?: HeldLimits;
  readonly room: Room;
  readonly observer: HeldObserver;
  readonly counts?: Partial<GatewayCounts>;
  /** The client is gone, and so are its upstreams. */
  readonly onOver: (client: HeldSocket) => void;
  /** It speaks holdfast.socket.v1, and was greeted. */
  readonly link?: LinkTerms;
  /** Another gateway held it until now. */
  readonly former?: Released;
}

const RANDOM = { next: Math.random };
/** Codes after which a client is welcome at once: 1012, 1013. */
const COMES_BACK: ReadonlySet<number> = new Set([1012, 1013]);
/** Wires one client. All calls come from Bun's handlers and from the gateway's drains. */
export class HeldSocket implements ClientSideOwner, HomesOwner {
  readonly held: HeldClient;
  readonly sinceMs = performance.now();
  readonly #options: HeldSocketOptions;
  readonly #side: HeldSide;
  readonly #homes: Homes;
  #isClosedHere = false;
  readonly #link: SocketLink | undefined;
  #moveTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: ServerWebSocket<unknown>, options: HeldSocketOptions) {
    const { request, first, room } = options;
    this.#options = options;
    this.#side = new HeldSide(client, this);
    this.#homes = new Homes(this, options, first.address);
    this.held = new HeldClient(
      request.route.profile,
      {
        ...{ clock: CLOCK, random: RANDOM, room },
        ...{ client: this.#side, upstream: this.#homes, observer: this.#homes },
      },
      options.limits,
      options.former,
    );
    this.#link = options.link && this.#linked(options.link);
    this.#homes.add(FIRST_HOME, first.address, first.socket, () => this.held.start());
  }

  /** The endpoint whose client it is; undefined: it is between two. */
  get address(): string | undefined {
    const { home } = this.held;
    return home === undefined ? undefined : this.#homes.addressOf(home);
  }

  /** The endpoint whose client it will be, if it is on its way to one; else the one it has. */
  get destination(): string | undefined {
    return this.held.isMoving ? this.addresses.at(-1) : this.address;
  }

  /** Endpoints to which it has sockets, or opens one, the latest last. */
  get addresses(): readonly string[] {
    return this.#homes.addresses;
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

  /** It is gone, and so are its upstreams. */
  get isGone(): boolean {
    return this.held.isOver && this.#homes.isEmpty;
  }

  /** Closes the client. What it sent before reaches its upstream. */
  dismiss(code: number, reason: string): void {
    this.held.end(code, reason);
    this.checkOver();
  }

  /** Closes the client because of a message, which nobody gets. */
  refuse(code: number, reason: string): void {
    if (!this.held.isOver) this.#options.observer.dropped(1, "size");
    this.dismiss(code, reason);
  }

  fromClient(frame: Frame): void {
    if (this.#link?.takes(frame) !== true) this.held.fromClient(frame);
    this.checkOver();
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
    const who = { session: this.session, attempt: request.attempt + this.#homes.lastId + 1 };
    this.#link.move(withinMs, link.seal.isClosed ? link.seal.seal("ticket", who) : undefined);
    this.#moveTimer = setTimeout(() => this.dismiss(close.code, close.reason), withinMs);
  }

  /** Tells it within which time it should come back, if this gateway is lost. */
  tellWindow(windowMs: number): void {
    this.#link?.window(windowMs);
  }

  /** The client's socket takes more again. */
  drained(): void {
    this.#side.drained();
  }

  clientFull(isFull: boolean): void {
    if (isFull) this.#homes.pause();
    else this.#homes.resume();
  }

  upstreamFull(isFull: boolean): void {
    this.#side.upstreamFull(isFull);
  }

  closes(code: number): void {
    this.#isClosedHere = true;
    const { link } = this.#options;
    if (link !== undefined && COMES_BACK.has(code)) this.#link?.retry(link.returnWindowMs());
  }

  checkOver(): void {
    if (this.held.isOver) {
      clearTimeout(this.#moveTimer);
      this.#link?.ended();
    }
    if (this.isGone) this.#options.onOver(this);
  }

  clientClosed(code: number, reason: string): void {
    this.held.clientClosed(code, reason);
    this.checkOver();
  }

  #linked(terms: LinkTerms): SocketLink {
    const { limits = HELD_LIMITS, counts } = this.#options;
    const { held, session } = this;
    return linked(
      terms,
      { held, session, profile: this.route.profile.name },
      {
        settleMsMax: limits.settleMsMax,
        tell: (text) => this.#side.tell(text),
        close: (code, reason) => this.#side.close(code, reason),
        left: () => counts?.movedAway?.(this.route),
      },
    );
  }
}
