// Owns: the pace at which clients leave endpoints that are to be emptied.
import { createDrainPacer, type DrainPacer } from "@holdfast/core";
import type { HeldSocket } from "./held-socket.ts";
import type { Route } from "./route.ts";

/** Members are read anew each time, so that they may change. */
export interface DeparturesOptions {
  readonly routes: readonly Route[];
  /** Held clients of an endpoint. */
  readonly clients: (route: Route, address: string) => readonly HeldSocket[];
  /** How long emptying may take. Who is left then keeps its upstream until that ends. */
  readonly windowMs: number;
  /** Sockets a second that the receiving endpoints can open (A), all together. */
  readonly socketsPerSecond: number;
  readonly movesPerSecondMax: number;
}

interface Departure {
  readonly pacer: DrainPacer;
  readonly untilMs: number;
  /** Clients to ask, in the order in which they are asked. */
  waiting: HeldSocket[];
}

/** How soon an endpoint that is to be emptied is noticed, and clients that a move left behind. */
const LOOK_MS = 100;

/** Empties every endpoint of which its table says that it leaves. */
export class Departures {
  readonly #options: DeparturesOptions;
  readonly #departures = new Map<string, Departure>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: DeparturesOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer ??= setTimeout(() => this.#look(), 0);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#departures.clear();
  }

  #look(): void {
    const nowMs = performance.now();
    const leaving = new Set<string>();
    let nextMs = LOOK_MS;
    for (const route of this.#options.routes) {
      for (const address of route.endpoints.leaving()) {
        const name = `${route.name}\n${address}`;
        leaving.add(name);
        nextMs = Math.min(nextMs, this.#move(name, { route, address }, nowMs));
      }
    }
    // An order that was taken back, or an endpoint that is empty and gone.
    for (const name of this.#departures.keys())
      if (!leaving.has(name)) this.#departures.delete(name);
    this.#timer = setTimeout(() => this.#look(), nextMs);
  }

  /** Ms until the next client of this endpoint is due. */
  #move(
    name: string,
    { route, address }: { readonly route: Route; readonly address: string },
    nowMs: number,
  ): number {
    // Without another endpoint each would try in vain, and stay.
    if (route.profile.rehomes && route.endpoints.taking().length === 0) return LOOK_MS;
    const begun = this.#departures.get(name);
    // Whoever is left when the window is over is asked again, in the same pace.
    const departure =
      begun !== undefined && nowMs < begun.untilMs
        ? begun
        : this.#begin(name, { route, address }, nowMs);
    // Some may be back: nobody took them.
    if (departure.waiting.length === 0)
      departure.waiting = this.#options
        .clients(route, address)
        .filter(({ held }) => !held.isMoving)
        .reverse();
    const leftMs = Math.max(0, departure.untilMs - nowMs);
    for (let due = departure.pacer.due(nowMs, departure.waiting.length); due > 0; due--) {
      const client = departure.waiting.pop();
      if (client?.address === address) client.held.move("drain", leftMs);
    }
    return Math.max(1, departure.pacer.nextInMs(nowMs, departure.waiting.length));
  }

  #begin(
    name: string,
    { route, address }: { readonly route: Route; readonly address: string },
    nowMs: number,
  ): Departure {
    const { windowMs, socketsPerSecond, movesPerSecondMax, clients } = this.#options;
    const waiting = [...clients(route, address)].reverse();
    const pacer = createDrainPacer(
      {
        ...{ total: waiting.length, windowMs },
        ...{ handshakesPerSecond: socketsPerSecond, perSecondMax: movesPerSecondMax },
      },
      nowMs,
    );
    const departure = { pacer, untilMs: nowMs + windowMs, waiting };
    this.#departures.set(name, departure);
    return departure;
  }
}
