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

/** An endpoint that gives clients away. */
interface From {
  readonly route: Route;
  readonly address: string;
  readonly keep: number;
  readonly windowMs: number;
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
      for (const { address, keep, windowMs } of route.endpoints.emptied(nowMs)) {
        const name = `${route.name}\n${address}\n${keep}`;
        leaving.add(name);
        const from = { route, address, keep, windowMs: windowMs ?? this.#options.windowMs };
        nextMs = Math.min(nextMs, this.#move(name, from, nowMs));
      }
    }
    // An order that was taken back, or an endpoint that is empty and gone.
    for (const name of this.#departures.keys())
      if (!leaving.has(name)) this.#departures.delete(name);
    this.#timer = setTimeout(() => this.#look(), nextMs);
  }

  /** Ms until the next client of this endpoint is due. */
  #move(name: string, from: From, nowMs: number): number {
    const { route, address } = from;
    // Without another endpoint each would try in vain, and stay.
    if (route.profile.rehomes && !route.endpoints.hasTakersFor(address, nowMs)) return LOOK_MS;
    const begun = this.#departures.get(name);
    // Whoever is left when the window is over is asked again, in the same pace.
    const departure =
      begun !== undefined && nowMs < begun.untilMs ? begun : this.#begin(name, from, nowMs);
    // Some may be back: nobody took them.
    if (departure.waiting.length === 0) departure.waiting = this.#goers(from);
    const leftMs = Math.max(0, departure.untilMs - nowMs);
    for (let due = departure.pacer.due(nowMs, departure.waiting.length); due > 0; due--) {
      const client = departure.waiting.pop();
      if (client?.address === address) client.held.move("drain", leftMs);
    }
    return Math.max(1, departure.pacer.nextInMs(nowMs, departure.waiting.length));
  }

  /** Clients that go, the next one last: those beyond what it keeps. Then those of `none` stay. */
  #goers({ route, address, keep }: From): HeldSocket[] {
    const there = this.#options
      .clients(route, address)
      .filter(({ held }) => !held.isMoving && (keep === 0 || held.rehomes));
    return there.slice(0, Math.max(0, there.length - keep)).reverse();
  }

  #begin(name: string, from: From, nowMs: number): Departure {
    const { windowMs } = from;
    const { socketsPerSecond, movesPerSecondMax } = this.#options;
    const waiting = this.#goers(from);
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
