// Owns: one client's connection through the balancer: bytes in both directions. A side is read only
// as fast as the other side accepts.
import type { Socket } from "bun";

/** The data of each of the two sockets. */
export interface PipeEnd {
  received(bytes: Uint8Array): void;
  drained(): void;
  closed(): void;
}

type Side = Socket<PipeEnd | undefined>;

/** Unsent bytes of one direction above which its source is not read. */
const PAUSE_BYTES = 256 * 1024;

export class Pipe {
  ended = false;
  onEnd: () => void = () => {};
  readonly #near: Side;
  readonly #onGone: () => void;
  #far: Side | undefined;
  readonly #toNear: Direction;
  #toFar: Direction | undefined;
  /** What the client sent before the backend was connected. */
  #early: Uint8Array[] = [];

  constructor(near: Side, onGone: () => void) {
    this.#near = near;
    this.#onGone = onGone;
    this.#toNear = new Direction(near);
    near.data = {
      received: (bytes) => {
        if (this.#toFar === undefined) this.#early.push(bytes.slice());
        else this.#toFar.write(bytes, near);
      },
      drained: () => this.#toNear.flush(),
      closed: () => this.#end(),
    };
  }

  /** False when the backend refuses. */
  async connect({
    host,
    port,
  }: {
    readonly host: string;
    readonly port: number;
  }): Promise<boolean> {
    try {
      const far: Side = await Bun.connect<PipeEnd | undefined>({
        hostname: host,
        port,
        socket: {
          data: (socket, bytes) => socket.data?.received(bytes),
          drain: (socket) => socket.data?.drained(),
          close: (socket) => socket.data?.closed(),
          error: (socket) => socket.data?.closed(),
        },
      });
      if (this.ended) {
        far.terminate();
        return true;
      }
      this.#attach(far);
      return true;
    } catch {
      return false;
    }
  }

  /** Cuts both sides at once, without a closing handshake. */
  cut(): void {
    this.#near.terminate();
    this.#far?.terminate();
    this.#end();
  }

  #attach(far: Side): void {
    this.#far = far;
    const toFar = new Direction(far);
    this.#toFar = toFar;
    far.data = {
      received: (bytes) => this.#toNear.write(bytes, far),
      drained: () => toFar.flush(),
      closed: () => this.#end(),
    };
    for (const bytes of this.#early.splice(0)) toFar.write(bytes, this.#near);
  }

  #end(): void {
    if (this.ended) return;
    this.ended = true;
    this.#toNear.finish();
    this.#toFar?.finish();
    this.onEnd();
    this.#onGone();
  }
}

/** Bytes on their way to one socket. */
class Direction {
  readonly #target: Side;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #paused: Side | undefined;
  #finishing = false;

  constructor(target: Side) {
    this.#target = target;
  }

  write(bytes: Uint8Array, source: Side): void {
    const sent = this.#bytes > 0 ? 0 : Math.max(0, this.#target.write(bytes));
    if (sent >= bytes.length) return;
    this.#waiting.push(bytes.slice(sent));
    this.#bytes += bytes.length - sent;
    if (this.#bytes < PAUSE_BYTES || this.#paused !== undefined) return;
    source.pause();
    this.#paused = source;
  }

  flush(): void {
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0] as Uint8Array;
      const sent = Math.max(0, this.#target.write(first));
      this.#bytes -= sent;
      if (sent < first.length) {
        this.#waiting[0] = first.subarray(sent);
        return;
      }
      this.#waiting.shift();
    }
    this.#paused?.resume();
    this.#paused = undefined;
    if (this.#finishing) this.#target.end();
  }

  /** The other side is gone: bytes on their way are still sent. */
  finish(): void {
    this.#finishing = true;
    this.flush();
  }
}
