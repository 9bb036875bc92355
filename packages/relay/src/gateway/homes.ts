// Owns: one client's upstreams, and what their endpoints hear of them and of the client.
import {
  FIRST_HOME,
  type Frame,
  type HeldClient,
  type HeldObserver,
  type HomeId,
  type MoveCause,
  type UpstreamSide,
} from "@holdfast/rehoming";
import { isOfClient } from "./answers.ts";
import type { GatewayCounts } from "./gateway-ports.ts";
import type { HeldRequest } from "./held-request.ts";
import {
  openUpstream,
  type UpstreamEvents,
  type UpstreamSocket,
  whyNot,
} from "./upstream-socket.ts";

/** Whose upstreams they are. */
export interface HomesOwner {
  readonly held: HeldClient;
  /** An upstream takes no more of the client for now, or takes more again. */
  upstreamFull(isFull: boolean): void;
  /** It may have been the last upstream of a client that is gone. */
  checkOver(): void;
}

export interface HomesOptions {
  readonly request: HeldRequest;
  readonly observer: HeldObserver;
  readonly counts?: Partial<GatewayCounts>;
}

const NONE: ReadonlySet<string> = new Set();

class Home implements UpstreamEvents {
  readonly id: HomeId;
  readonly address: string;
  readonly #homes: Homes;
  /** While it opens. */
  giveUp: AbortController | undefined;
  socket: UpstreamSocket | undefined;
  /** A close was asked for, or the home is dropped: what the table must hear is decided. */
  isLeft = false;

  constructor(id: HomeId, address: string, homes: Homes) {
    this.id = id;
    this.address = address;
    this.#homes = homes;
  }

  frame(frame: Frame): void {
    this.#homes.owner.held.fromHome(this.id, frame);
  }

  room(): void {
    this.#homes.owner.upstreamFull(false);
  }

  closed(code: number, reason: string): void {
    this.#homes.wasClosed(this, code, reason);
  }
}

/** Lives as long as its client: it has methods, and no closures. */
export class Homes implements UpstreamSide, HeldObserver {
  readonly owner: HomesOwner;
  readonly #options: HomesOptions;
  /** The latest last. */
  #all: readonly Home[] = [];
  #isPaused = false;
  /** The endpoint that the client had last, and the one that was asked last for it. */
  #lastAddress: string;
  #tried: string | undefined;
  /** The latest one, which may be gone. */
  lastId = FIRST_HOME;
  /** Endpoints that did not take it since it has its home. */
  #failed = NONE;

  constructor(owner: HomesOwner, options: HomesOptions, firstAddress: string) {
    this.owner = owner;
    this.#options = options;
    this.#lastAddress = firstAddress;
  }

  get isEmpty(): boolean {
    return this.#all.length === 0;
  }

  get addresses(): readonly string[] {
    return this.#all.map(({ address }) => address);
  }

  addressOf(id: HomeId): string | undefined {
    return this.#find(id)?.address;
  }

  /** One that is open. `begin` is called before anything of it is handed in. */
  add(id: HomeId, address: string, socket: UpstreamSocket, begin: () => void): void {
    const home = this.#put(id, address);
    home.socket = socket;
    begin();
    this.#listen(home, socket);
  }

  /** All are read no further. */
  pause(): void {
    this.#isPaused = true;
    for (const { socket } of this.#all) socket?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    for (const { socket } of this.#all) socket?.resume();
  }

  open(id: HomeId, not: HomeId | undefined): void {
    void this.#open(id, not);
  }

  send(id: HomeId, frame: Frame): void {
    if (this.#find(id)?.socket?.send(frame) === false) this.owner.upstreamFull(true);
  }

  close(id: HomeId, code: number, reason: string): void {
    const home = this.#find(id);
    if (home === undefined) return;
    home.isLeft = true;
    home.socket?.close(code, reason);
  }

  drop(id: HomeId): void {
    const home = this.#find(id);
    if (home === undefined) return;
    home.isLeft = true;
    this.#remove(home);
    home.giveUp?.abort();
    home.socket?.drop();
    this.#endpoints.closed(home.address, false, performance.now());
  }

  moved(cause: MoveCause, pausedMs: number): void {
    const { home } = this.owner.held;
    if (home !== undefined) this.#lastAddress = this.addressOf(home) ?? this.#lastAddress;
    this.#failed = NONE;
    this.#endpoints.moved(this.#lastAddress);
    this.#options.observer.moved(cause, pausedMs);
  }

  moveFailed(cause: MoveCause, why: string): void {
    if (this.#tried !== undefined) {
      this.#endpoints.moveFailed(this.#tried);
      this.#failed = new Set(this.#failed).add(this.#tried);
    }
    this.#options.observer.moveFailed(cause, why);
  }

  dropped(frames: number, why: string): void {
    this.#endpoints.missed(this.#lastAddress, frames);
    this.#options.observer.dropped(frames, why);
  }

  ended(code: number, reason: string): void {
    this.#options.observer.ended(code, reason);
  }

  /** Its socket is closed. */
  wasClosed(home: Home, code: number, reason: string): void {
    this.#remove(home);
    const isBroken = code === 1006 && !home.isLeft;
    this.#endpoints.closed(home.address, isBroken, performance.now());
    this.owner.held.homeClosed(home.id, code, reason);
    this.owner.checkOver();
  }

  get #endpoints() {
    return this.#options.request.route.endpoints;
  }

  #find(id: HomeId): Home | undefined {
    for (const home of this.#all) if (home.id === id) return home;
    return undefined;
  }

  #put(id: HomeId, address: string): Home {
    const home = new Home(id, address, this);
    this.#all = [...this.#all, home];
    return home;
  }

  #remove(home: Home): void {
    this.#all = this.#all.filter((one) => one !== home);
  }

  #listen(home: Home, socket: UpstreamSocket): void {
    socket.listen(home);
    if (this.#isPaused) socket.pause();
  }

  /** An endpoint for the client, which is asked now. */
  #choose(not: HomeId | undefined): string | undefined {
    const { route, key, cohort } = this.#options.request;
    const from = not === undefined ? undefined : this.addressOf(not);
    this.#tried = route.endpoints.choose(
      {
        ...{ key, cohort, zone: route.zone, chance: Math.random(), from },
        // One that hangs takes seconds each time, and is tried last.
        not: new Set(from === undefined ? this.#failed : [from, ...this.#failed]),
      },
      performance.now(),
    );
    return this.#tried;
  }

  async #open(id: HomeId, not: HomeId | undefined): Promise<void> {
    const { request, counts } = this.#options;
    const { route } = request;
    const address = this.#choose(not);
    if (address === undefined) {
      await Promise.resolve();
      return this.owner.held.homeFailed(id, "no endpoint takes clients");
    }
    this.lastId = id;
    const giveUp = new AbortController();
    const home = this.#put(id, address);
    home.giveUp = giveUp;
    const beganMs = performance.now();
    const opening = await openUpstream(request.upstream(address, id), giveUp.signal);
    home.giveUp = undefined;
    if (home.isLeft) {
      if (opening.kind === "open") opening.socket.drop();
      return;
    }
    if (opening.kind === "open" && opening.protocol === request.protocol) {
      home.socket = opening.socket;
      const nowMs = performance.now();
      route.endpoints.opened(address, nowMs, nowMs - beganMs);
      counts?.upstreamOpened?.(route);
      this.owner.held.homeOpened(id);
      if (!home.isLeft) this.#listen(home, opening.socket);
      return;
    }
    this.#remove(home);
    if (opening.kind === "open") opening.socket.drop();
    const cause = opening.kind === "failed" ? opening.cause : "refused";
    counts?.upstreamFailed?.(route, cause, { address, text: whyNot(opening) });
    // An application that refuses this client is well.
    if (opening.kind === "failed") route.endpoints.failed(address, performance.now());
    else route.endpoints.closed(address, false, performance.now());
    const isRefused = opening.kind === "refused" && isOfClient(opening.refusal.status);
    this.owner.held.homeFailed(id, whyNot(opening), isRefused);
    this.owner.checkOver();
  }
}
