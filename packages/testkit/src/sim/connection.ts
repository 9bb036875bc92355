// Owns: one simulated connection between two processes, with what TCP guarantees and no more.
import type { SeededRandom } from "@holdfast/core";
import type { EventLoop, SimProcess } from "./event-loop.ts";

export type Message = string | Uint8Array;

/** What one end of a connection is told. `closed` comes exactly once, last. */
export interface EndHandlers {
  message(message: Message): void;
  /** 1006 when the connection died without a closing handshake. */
  closed(code: number, reason: string): void;
  /** Everything that was queued has left. */
  drained?(): void;
}

export interface NetworkSettings {
  /**
   * One way, per message: `latencyMs` plus up to `jitterMs`. A connection keeps its order;
   * connections overtake one another.
   */
  latencyMs: number;
  jitterMs: number;
  /** What a connection carries in each direction. */
  bytesPerMs: number;
  /**
   * A server's end whose unsent bytes would exceed this is closed by its transport. Clients'
   * transports have no such limit.
   */
  readonly hardLimitBytes: number;
}

/**
 * One direction of a connection: a queue in front of a wire that may stall, and when the last
 * message on the wire arrives.
 */
class Pipe {
  readonly queue: Message[] = [];
  queuedBytes = 0;
  stalledUntilMs = 0;
  pumping = false;
  lastArrivalMs = 0;
  /** Nothing sent at or after this moment arrives. */
  deadFromMs = Number.POSITIVE_INFINITY;
  /** The closing handshake behind the queue. */
  closing: { readonly code: number; readonly reason: string } | undefined = undefined;
}

/** One end of a simulated connection. After its end all calls do nothing. */
export class End {
  readonly process: SimProcess;
  readonly out = new Pipe();
  handlers: EndHandlers;
  state: "open" | "closing" | "ended" = "open";
  /** Most bytes that ever waited here, with those that were given to it in one turn. */
  offeredBytesPeak = 0;
  /** Length of what arrived and was not read yet. */
  unreadBytes = 0;
  /** When it ended. */
  endedMs = Number.POSITIVE_INFINITY;
  #turn = -1;
  #givenBytes = 0;
  readonly #connection: SimConnection;

  constructor(connection: SimConnection, process: SimProcess, handlers: EndHandlers) {
    this.#connection = connection;
    this.process = process;
    this.handlers = handlers;
  }

  get peer(): End {
    return this === this.#connection.client ? this.#connection.server : this.#connection.client;
  }

  send(message: Message): "sent" | "queued" | "closed" {
    if (this.state !== "open") return "closed";
    this.#count(message.length);
    return this.#connection.send(this, message);
  }

  #count(length: number): void {
    const { turns } = this.#connection;
    const isSame = turns === this.#turn;
    this.#turn = turns;
    // What was given earlier in this turn may be on the wire already, and was not when it was made.
    this.#givenBytes = (isSame ? this.#givenBytes : this.out.queuedBytes) + length;
    this.offeredBytesPeak = Math.max(this.offeredBytesPeak, this.#givenBytes);
  }

  /**
   * Closes behind everything queued; this end is told `closed` in its next event, as Bun's sockets
   * are.
   */
  close(code: number, reason: string): void {
    if (this.state === "open") this.#connection.close(this, code, reason);
  }

  cut(): void {
    if (this.state !== "ended") this.#connection.cut(this);
  }
}

export interface ConnectionOptions {
  readonly id: number;
  readonly loop: EventLoop;
  /** What happens on the wire happens in this process, whatever the ends are up to. */
  readonly wire: SimProcess;
  readonly random: SeededRandom;
  readonly settings: NetworkSettings;
  readonly client: { readonly process: SimProcess; readonly handlers: EndHandlers };
  readonly server: { readonly process: SimProcess; readonly handlers: EndHandlers };
}

/**
 * A connection: two ends, and the faults that can befall it. It never loses, doubles or reorders
 * single messages: it delays them, or dies.
 */
export class SimConnection {
  readonly id: number;
  readonly client: End;
  readonly server: End;
  readonly #options: ConnectionOptions;
  #dead = false;

  constructor(options: ConnectionOptions) {
    this.id = options.id;
    this.#options = options;
    this.client = new End(this, options.client.process, options.client.handlers);
    this.server = new End(this, options.server.process, options.server.handlers);
  }

  get ended(): boolean {
    return this.client.state === "ended" && this.server.state === "ended";
  }

  /** Which turn of the run this is. */
  get turns(): number {
    return this.#options.loop.turns;
  }

  /** Nothing leaves `end` for `ms`: its peer does not read, or packets are lost and repeated. */
  stall(end: End, ms: number): void {
    end.out.stalledUntilMs = Math.max(end.out.stalledUntilMs, this.#nowMs + ms);
  }

  /**
   * The path breaks. What is on the wire arrives up to a random point. Each side is told after its
   * delay; `never` leaves it half-open: it sends into its own queue and hears nothing.
   */
  break(told: { readonly clientMs: number | "never"; readonly serverMs: number | "never" }): void {
    if (!this.#dead) {
      this.#dead = true;
      for (const end of [this.client, this.server]) {
        end.out.deadFromMs = this.#nowMs - this.#options.random.next() * this.#delayMs();
        end.out.stalledUntilMs = Number.POSITIVE_INFINITY;
      }
    }
    this.#tell(this.client, told.clientMs);
    this.#tell(this.server, told.serverMs);
  }

  send(end: End, message: Message): "sent" | "queued" | "closed" {
    const { out } = end;
    const { settings } = this.#options;
    if (end === this.server && out.queuedBytes + message.length > settings.hardLimitBytes) {
      this.cut(end);
      return "closed";
    }
    if (
      out.queue.length === 0 &&
      out.stalledUntilMs <= this.#nowMs &&
      message.length < settings.bytesPerMs
    ) {
      this.#transmit(end, message);
      return "sent";
    }
    out.queue.push(message);
    out.queuedBytes += message.length;
    this.#pump(end);
    return "queued";
  }

  close(end: End, code: number, reason: string): void {
    end.state = "closing";
    end.out.closing = { code, reason };
    this.#pump(end);
    end.process.at(0, () => this.#end(end, code, reason));
  }

  cut(end: End): void {
    end.state = "closing";
    end.process.at(0, () => this.#end(end, 1006, ""));
    if (!this.#dead)
      this.break({
        clientMs: end === this.client ? "never" : this.#delayMs(),
        serverMs: end === this.server ? "never" : this.#delayMs(),
      });
  }

  /** Sends what waits, one message at a time, as fast as the wire takes it. */
  #pump(end: End): void {
    const { out } = end;
    if (this.#dead || out.pumping) return;
    const first = out.queue[0];
    if (first === undefined) {
      this.#handshakeOf(end);
      return;
    }
    out.pumping = true;
    const waitMs =
      Math.max(0, out.stalledUntilMs - this.#nowMs) +
      first.length / this.#options.settings.bytesPerMs;
    this.#options.wire.at(waitMs, () => {
      out.pumping = false;
      if (!this.#dead && out.stalledUntilMs <= this.#nowMs) this.#sendFirst(end, first);
      this.#pump(end);
    });
  }

  #sendFirst(end: End, first: Message): void {
    const { out } = end;
    out.queue.shift();
    out.queuedBytes -= first.length;
    this.#transmit(end, first);
    if (out.queue.length === 0)
      end.process.at(0, () => end.state === "open" && end.handlers.drained?.());
  }

  #handshakeOf(end: End): void {
    const { closing } = end.out;
    if (closing === undefined) return;
    end.out.closing = undefined;
    this.#arrive(end, (peer) => this.#end(peer, closing.code, closing.reason));
  }

  #transmit(end: End, message: Message): void {
    const sentMs = this.#nowMs;
    this.#arrive(end, (peer) => {
      if (peer.state === "open" && sentMs < end.out.deadFromMs) peer.handlers.message(message);
    });
  }

  /** Schedules an arrival at the peer, behind everything that `end` sent before. */
  #arrive(end: End, task: (peer: End) => void): void {
    const { peer } = end;
    const atMs = Math.max(end.out.lastArrivalMs, this.#nowMs + this.#delayMs());
    end.out.lastArrivalMs = atMs;
    peer.process.at(atMs - this.#nowMs, () => task(peer));
  }

  #tell(end: End, delayMs: number | "never"): void {
    if (delayMs !== "never") end.process.at(delayMs, () => this.#end(end, 1006, ""));
  }

  #end(end: End, code: number, reason: string): void {
    if (end.state === "ended") return;
    end.state = "ended";
    end.endedMs = this.#nowMs;
    end.handlers.closed(code, reason);
  }

  get #nowMs(): number {
    return this.#options.loop.nowMs;
  }

  #delayMs(): number {
    const { latencyMs, jitterMs } = this.#options.settings;
    return latencyMs + this.#options.random.next() * jitterMs;
  }
}
