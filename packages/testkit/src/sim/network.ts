// Owns: which connections exist, and how a client reaches a node: through a balancer that learns
// late.
import type { SeededRandom } from "@holdfast/core";
import {
  type End,
  type EndHandlers,
  type Message,
  type NetworkSettings,
  SimConnection,
} from "./connection.ts";
import type { EventLoop, SimProcess } from "./event-loop.ts";

/** A listening server. `accept` is called in its process; the answer is what the end is told. */
export interface Listener {
  readonly process: SimProcess;
  accept(end: End, subprotocol: string): EndHandlers;
}

export interface DialHandlers extends EndHandlers {
  opened(): void;
}

/** A client's side of a connection, also while it is being opened. */
export interface Dialled {
  send(message: Message): void;
  close(code: number, reason: string): void;
}

/** What a listener's address answers: itself, a refusal, or nothing at all. */
type Reach = "open" | "refuses" | "silent";

interface Registered {
  readonly listener: Listener;
  reach: Reach;
  /** The balancer sends newcomers here. */
  listed: boolean;
  /** Counts what the balancer was told: the last word holds, however late it learns. */
  wishes: number;
}

/** All connections of a run, and the balancer in front of the listeners. */
export class Network {
  readonly settings: NetworkSettings;
  readonly connections = new Set<SimConnection>();
  readonly #listeners = new Map<string, Registered>();
  readonly #loop: EventLoop;
  readonly #random: SeededRandom;
  readonly #wire: SimProcess;
  #lastId = 0;

  constructor(options: {
    readonly loop: EventLoop;
    readonly random: SeededRandom;
    readonly settings: NetworkSettings;
  }) {
    this.#loop = options.loop;
    this.#random = options.random;
    this.settings = options.settings;
    this.#wire = options.loop.process("wire");
  }

  /** Takes connections, and is listed in the balancer `listedAfterMs` later. */
  listen(name: string, listener: Listener, listedAfterMs: number): void {
    const registered: Registered = { listener, reach: "open", listed: false, wishes: 0 };
    this.#listeners.set(name, registered);
    this.list(name, true, listedAfterMs);
  }

  /** The balancer learns `afterMs` later whether the listener wants newcomers. */
  list(name: string, wanted: boolean, afterMs: number): void {
    const registered = this.#listeners.get(name);
    if (registered === undefined) return;
    registered.wishes += 1;
    const wish = registered.wishes;
    this.#wire.at(afterMs, () => {
      if (registered.wishes === wish) registered.listed = wanted && registered.reach === "open";
    });
  }

  /**
   * The listener's process is gone. `silent`: so is its machine, and nobody is told of anything.
   */
  lose(name: string, how: "refuses" | "silent", unlistedAfterMs: number): void {
    const registered = this.#listeners.get(name);
    if (registered === undefined) return;
    registered.reach = how;
    this.#wire.at(unlistedAfterMs, () => {
      registered.listed = false;
    });
    for (const connection of this.connections) {
      if (connection.server.process !== registered.listener.process) continue;
      connection.break({
        clientMs: how === "silent" ? "never" : this.#delayMs(),
        serverMs: "never",
      });
    }
  }

  /** Opens a connection to whatever listener the balancer picks when the request gets there. */
  dial(process: SimProcess, subprotocol: string, handlers: DialHandlers): Dialled {
    let end: End | undefined;
    let over = false;
    const fail = (delayMs: number): void =>
      process.at(delayMs, () => {
        if (over) return;
        over = true;
        handlers.closed(1006, "");
      });
    const arrive = (): void => {
      if (over) return;
      const target = this.#pick();
      if (target === undefined || target.reach === "refuses") fail(this.#delayMs());
      else if (target.reach === "open")
        this.#accept(process, target.listener, subprotocol, connected);
    };
    const connected = (client: End, afterMs: number): void => {
      end = client;
      client.handlers = {
        message: (message) => handlers.message(message),
        closed: (code, reason) => {
          if (over) return;
          over = true;
          handlers.closed(code, reason);
        },
      };
      process.at(afterMs, () => {
        if (over) client.cut();
        else if (client.state === "open") handlers.opened();
      });
    };
    this.#wire.at(2 * this.#delayMs(), arrive);
    return {
      send: (message) => void end?.send(message),
      close: (code, reason) => {
        if (over) return;
        if (end !== undefined && end.state === "open") end.close(code, reason);
        else fail(0);
      },
    };
  }

  /** Connections whose both ends were told of their end are forgotten, a while later. */
  sweep(): void {
    const beforeMs = this.#loop.nowMs - FORGOTTEN_AFTER_MS;
    for (const connection of this.connections)
      if (connection.ended && connection.server.endedMs < beforeMs)
        this.connections.delete(connection);
  }

  #accept(
    process: SimProcess,
    listener: Listener,
    subprotocol: string,
    connected: (client: End, afterMs: number) => void,
  ): void {
    listener.process.at(0, () => {
      this.#lastId += 1;
      const connection = new SimConnection({
        id: this.#lastId,
        loop: this.#loop,
        wire: this.#wire,
        random: this.#random,
        settings: this.settings,
        client: { process, handlers: SILENT },
        server: { process: listener.process, handlers: SILENT },
      });
      this.connections.add(connection);
      const openedAfterMs = this.#delayMs();
      connection.server.out.lastArrivalMs = this.#loop.nowMs + openedAfterMs;
      connected(connection.client, openedAfterMs);
      connection.server.handlers = listener.accept(connection.server, subprotocol);
    });
  }

  #pick(): Registered | undefined {
    const listed = [...this.#listeners.values()].filter((registered) => registered.listed);
    return listed.length === 0 ? undefined : this.#random.pick(listed);
  }

  #delayMs(): number {
    return this.settings.latencyMs + this.#random.next() * this.settings.jitterMs;
  }
}

const FORGOTTEN_AFTER_MS = 5000;
const SILENT: EndHandlers = { message() {}, closed() {} };
