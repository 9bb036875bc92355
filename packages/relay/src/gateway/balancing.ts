// Owns: moving clients to endpoints that have too few, such as those that were added.
import type { HeldSocket } from "./held-socket.ts";
import type { Route } from "./route.ts";

/** A client as balancing sees it. */
export interface Movable extends Pick<HeldSocket, "key" | "request" | "address" | "destination"> {
  readonly held: Pick<HeldSocket["held"], "isMoving" | "move">;
}

/** Members are read anew each time, so that they may change. */
export interface BalancingOptions {
  readonly routes: readonly Route[];
  readonly clients: (route: Route) => readonly Movable[];
  /** Clients of a route that are moved in a second, at most. */
  readonly perSecondMax: number;
}

const LOOK_MS = 1000;
/** Those of one look go in small parts: an endpoint that was added has often just started. */
const PART_MS = 50;
/** How long one client is tried. Then it stays, and may be asked again. */
const TRY_MS = 5000;

/**
 * Looks once a second. Clients with a key go where their key belongs now: otherwise a room is on
 * two endpoints after one was added. The others go from endpoints that have too many. A route whose
 * endpoints somebody gives orders about is left to that one.
 */
export class Balancing {
  readonly #options: BalancingOptions;
  #timer: ReturnType<typeof setInterval> | undefined;
  #goers: Movable[] = [];
  #part: ReturnType<typeof setTimeout> | undefined;

  constructor(options: BalancingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    clearTimeout(this.#part);
  }

  /** Once, as it does each second. Clients go within the second after it. */
  look(): void {
    const nowMs = performance.now();
    clearTimeout(this.#part);
    this.#goers = [];
    for (const route of this.#options.routes) {
      if (route.rebalances !== true || !route.profile.rehomes) continue;
      if (route.endpoints.isOrdered(nowMs)) continue;
      const clients = this.#options.clients(route);
      const goers = [
        ...keyed(route, clients, nowMs),
        ...(route.endpoints.hasCohorts ? [] : crowded(route, clients, nowMs)),
      ].filter(({ held }) => !held.isMoving);
      this.#goers.push(...goers.slice(0, this.#options.perSecondMax));
    }
    if (this.#goers.length > 0) this.#go(Math.ceil((this.#goers.length * PART_MS) / LOOK_MS));
  }

  #go(count: number): void {
    for (const { held } of this.#goers.splice(0, count)) held.move("rebalance", TRY_MS);
    if (this.#goers.length > 0) this.#part = setTimeout(() => this.#go(count), PART_MS);
  }
}

/** Those whose key belongs elsewhere. */
function keyed(route: Route, clients: readonly Movable[], nowMs: number): Movable[] {
  const homes = new Map<string, string | undefined>();
  return clients.filter(({ key, request, address }) => {
    if (key === undefined) return false;
    const { cohort } = request;
    const name = `${cohort} ${key}`;
    if (!homes.has(name)) homes.set(name, route.endpoints.homeOf(key, cohort, nowMs));
    const home = homes.get(name);
    return home !== undefined && home !== address;
  });
}

/**
 * Those without a key, of endpoints that have too many. Who is on the way counts where it will be:
 * if moves take longer than a look, others would be sent after them, and back again.
 */
function crowded(route: Route, all: readonly Movable[], nowMs: number): Movable[] {
  const clients = all.filter(({ key }) => key === undefined);
  const counts = new Map<string, number>();
  for (const { destination } of clients)
    if (destination !== undefined) counts.set(destination, (counts.get(destination) ?? 0) + 1);
  const left = new Map(route.endpoints.tooMany(counts, route.zone, nowMs));
  return clients.filter(({ held, address = "" }) => {
    const count = held.isMoving ? 0 : (left.get(address) ?? 0);
    if (count > 0) left.set(address, count - 1);
    return count > 0;
  });
}
