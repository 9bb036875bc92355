// Owns: a TCP proxy that can be cut, that stops reading for a while, and that behaves like a bad
// network. For proofs on loopback.
import { createConnection, createServer, type Server, type Socket } from "node:net";

export interface Weather {
  /** Added to each direction. */
  readonly delayMs: number;
  /**
   * Share of packets that are lost. TCP repeats them: the ends see that everything from there comes
   * `retransmitMs` later.
   */
  readonly loss: number;
  readonly retransmitMs: number;
}

export interface TcpProxyOptions {
  readonly target: number;
  readonly weather?: Weather;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/** Payload of a packet on an ordinary network. */
const PACKET_BYTES = 1448;
/** Bytes under way in one direction above which its source is not read. */
const UNDER_WAY_BYTES_MAX = 256 * 1024;

export class TcpProxy {
  readonly #options: TcpProxyOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /**
   * Sides towards the target. A proxy that does not read them acts like a client that reads too
   * slowly.
   */
  readonly #far = new Set<Socket>();
  #refusing = false;
  #stalled = false;

  private constructor(options: TcpProxyOptions) {
    this.#options = options;
    this.#server = createServer((near) => this.#accept(near));
  }

  static async start(options: TcpProxyOptions): Promise<TcpProxy> {
    const proxy = new TcpProxy(options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Cuts every connection, and each new one at once, until `restore`. */
  cut(): void {
    this.#refusing = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  restore(): void {
    this.#refusing = false;
  }

  /** True: nothing that the target sends is read any more. */
  stall(isStalled: boolean): void {
    this.#stalled = isStalled;
    for (const socket of this.#far) isStalled ? socket.pause() : socket.resume();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #accept(near: Socket): void {
    if (this.#refusing) {
      near.resetAndDestroy();
      return;
    }
    const far = createConnection(this.#options.target, "127.0.0.1");
    this.#far.add(far);
    far.on("close", () => this.#far.delete(far));
    this.#carry(near, far);
    this.#carry(far, near);
    if (this.#stalled) far.pause();
  }

  #carry(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    const { weather } = this.#options;
    const line =
      weather === undefined
        ? new Straight(from, to)
        : new Late(from, to, weather, this.#options.random ?? Math.random);
    from.on("data", (bytes: Buffer) => line.take(bytes));
    to.on("drain", () => !(this.#stalled && this.#far.has(from)) && from.resume());
    from.on("error", () => {});
    from.on("end", () => line.finish());
    from.on("close", () => {
      this.#sockets.delete(from);
      line.finish();
    });
  }
}

class Straight {
  readonly #from: Socket;
  readonly #to: Socket;
  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
  }
  take(bytes: Buffer): void {
    if (!this.#to.write(bytes)) this.#from.pause();
  }
  finish(): void {
    this.#to.end();
  }
}

/** Everything arrives in order, later. A lost packet delays those after it, as in TCP. */
class Late {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #weather: Weather;
  readonly #random: () => number;
  readonly #queue: { readonly dueMs: number; readonly task: () => void }[] = [];
  #lastDueMs = 0;
  #bytes = 0;

  constructor(from: Socket, to: Socket, weather: Weather, random: () => number) {
    this.#from = from;
    this.#to = to;
    this.#weather = weather;
    this.#random = random;
  }

  take(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > UNDER_WAY_BYTES_MAX) this.#from.pause();
    this.#later(this.#delayOf(bytes.length), () => {
      this.#bytes -= bytes.length;
      if (!this.#to.destroyed) this.#to.write(bytes);
      if (this.#bytes <= UNDER_WAY_BYTES_MAX) this.#from.resume();
    });
  }

  finish(): void {
    this.#later(this.#weather.delayMs, () => this.#to.end());
  }

  #delayOf(length: number): number {
    const { delayMs, loss, retransmitMs } = this.#weather;
    let lateMs = delayMs;
    for (let packet = 0; packet < Math.ceil(length / PACKET_BYTES); packet++)
      if (this.#random() < loss) lateMs += retransmitMs;
    return lateMs;
  }

  /**
   * One timer, for the first in the queue: separate timers might fire in another order within a
   * millisecond.
   */
  #later(delayMs: number, task: () => void): void {
    this.#lastDueMs = Math.max(this.#lastDueMs, performance.now() + delayMs);
    this.#queue.push({ dueMs: this.#lastDueMs, task });
    if (this.#queue.length === 1) this.#arm();
  }

  #arm(): void {
    const [first] = this.#queue;
    if (first === undefined) return;
    setTimeout(
      () => {
        this.#queue.shift();
        first.task();
        this.#arm();
      },
      Math.max(0, first.dueMs - performance.now()),
    );
  }
}
