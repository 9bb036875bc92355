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

/**
 * Which of the listed listeners gets a client. `random`: any, each time. `address`: the same one
 * each time, by a hash of the client, as long as it is listed. `machine`: one on the machine that
 * the client's address leads to, also if that is not listed any more and no other one is there.
 */
export type Balancer = "random" | "address" | "machine";

/** What a listener's address answers: itself, a refusal, or nothing at all. */
type Reach = "open" | "refuses" | "silent";

interface Registered {
  readonly name: string;
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
  /** How many connections somebody tried to open. */
  dials = 0;
  readonly #listeners = new Map<string, Registered>();
  readonly #loop: EventLoop;
  readonly #random: SeededRandom;
  readonly #wire: SimProcess;
  readonly #balancer: Balancer;
  #lastId = 0;

  constructor(options: {
    readonly loop: EventLoop;
    readonly random: SeededRandom;
    readonly settings: NetworkSettings;
    /** Default `random`. */
    readonly balancer?: Balancer;
  }) {
    this.#balancer = options.balancer ?? "random";
    this.#loop = options.loop;
    this.#random = options.random;
    this.settings = options.settings;
    this.#wire = options.loop.process("wire");
  }

  /** Takes connections, and is listed in the balancer `listedAfterMs` later. */
  listen(name: string, listener: Listener, listedAfterMs: number): void {
    const registered: Registered = { name, listener, reach: "open", listed: false, wishes: 0 };
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
    this.dials += 1;
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
      const target = this.#pick(process.name);
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

  #pick(client: string): Registered | undefined {
    const all = [...this.#listeners.values()];
    const listed = all.filter((registered) => registered.listed);
    if (this.#balancer === "machine") return onMachine(all, hash(client));
    if (listed.length === 0) return undefined;
    return this.#balancer === "random" ? this.#random.pick(listed) : byHash(listed, client);
  }

  #delayMs(): number {
    return this.settings.latencyMs + this.#random.next() * this.settings.jitterMs;
  }
}

/** The one whose name goes best with the client's: if another one goes, nobody else moves. */
function byHash(listed: readonly Registered[], client: string): Registered | undefined {
  const weight = ({ name }: Registered): number => hash(`${client} ${name}`);
  return listed.toSorted((a, b) => weight(b) - weight(a))[0];
}

/** A machine has one slot of the cluster: `n<slot>.<generation>` runs there. */
function onMachine(all: readonly Registered[], place: number): Registered | undefined {
  const machineOf = ({ name }: Registered): string => name.split(".")[0] ?? name;
  const machines = [...new Set(all.map(machineOf))];
  const machine = machines[place % machines.length];
  const there = all.filter((one) => machineOf(one) === machine);
  return there.find(({ listed }) => listed) ?? there.findLast(({ reach }) => reach !== "refuses");
}

/** FNV-1a, and a last step that mixes its bits. */
function hash(text: string): number {
  let mixed = 0x811c9dc5;
  for (const unit of text) mixed = Math.imul(mixed ^ (unit.codePointAt(0) ?? 0), 0x01000193);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

const FORGOTTEN_AFTER_MS = 5000;
const SILENT: EndHandlers = { message() {}, closed() {} };
