// Owns: the connections behind requests that ask: one for each token and address, kept for a while
// after its last request, so that limits of a connection hold over many requests.
import { createHash } from "node:crypto";
import type { DoorEngine, Link } from "@holdfast/core";
import {
  createRequestDoor,
  type RequestClient,
  type RequestDoor,
  type StreamRefusal,
} from "@holdfast/door-sse";

export interface AskingOptions {
  readonly engine: DoorEngine;
  /** How long one stays without a request. Default 30 s. */
  readonly idleMs?: number;
  /**
   * At the limit the one that was idle for longest ends. If all are busy, requests are refused.
   * Default 10,000.
   */
  readonly sessionsMax?: number;
}

interface Asking {
  readonly client: RequestClient;
  readonly link: HttpLink;
  users: number;
  usedAtMs: number;
}

/** A connection that is held for requests; `release` it when the answer is there. */
export type Held =
  | { readonly ok: true; readonly client: RequestClient; release(): void }
  | { readonly ok: false; readonly refusal: StreamRefusal };

const IDLE_MS = 30_000;
const SESSIONS_MAX = 10_000;
const BUSY: StreamRefusal = {
  code: "try_later",
  message: "Cannot take the request: as many clients ask at once as this node takes",
  retryMs: 1_000,
};

export class AskingSessions {
  readonly #options: Required<AskingOptions>;
  readonly #door: RequestDoor;
  /** Least lately used first. */
  readonly #known = new Map<string, Asking>();
  #sweep: ReturnType<typeof setInterval> | undefined;

  constructor(options: AskingOptions) {
    this.#options = { idleMs: IDLE_MS, sessionsMax: SESSIONS_MAX, ...options };
    this.#door = createRequestDoor(options.engine);
  }

  get count(): number {
    return this.#known.size;
  }

  /** The connection of this token from this address: a new one, or the one before. */
  async hold(token: string | undefined, address: string): Promise<Held> {
    const key = keyOf(token, address);
    let asking = this.#known.get(key);
    if (asking?.client.isOver === true) asking = this.#forget(key);
    if (asking === undefined) {
      if (this.#known.size >= this.#options.sessionsMax && !this.#makeRoom())
        return { ok: false, refusal: BUSY };
      asking = this.#open(token, address);
    }
    this.#known.delete(key);
    this.#known.set(key, asking);
    asking.users += 1;
    const held = asking;
    const release = (): void => {
      held.users -= 1;
      held.usedAtMs = performance.now();
    };
    const refusal = await held.client.connected;
    if (refusal === undefined) return { ok: true, client: held.client, release };
    release();
    if (this.#known.get(key) === held) this.#forget(key);
    return { ok: false, refusal };
  }

  /** Ends all. */
  end(): void {
    for (const key of [...this.#known.keys()]) this.#forget(key);
  }

  #open(token: string | undefined, address: string): Asking {
    const link = new HttpLink(address);
    const client = this.#door.open(link, token);
    link.onEnd = () => client.closed(true);
    this.#sweep ??= setInterval(() => this.#endIdle(), this.#options.idleMs / 4);
    return { client, link, users: 0, usedAtMs: performance.now() };
  }

  #endIdle(): void {
    const nowMs = performance.now();
    for (const [key, { users, usedAtMs, client }] of this.#known) {
      const isIdle = users === 0 && nowMs - usedAtMs >= this.#options.idleMs;
      if (isIdle || client.isOver) this.#forget(key);
    }
  }

  #makeRoom(): boolean {
    for (const [key, { users }] of this.#known) {
      if (users > 0) continue;
      this.#forget(key);
      return true;
    }
    return false;
  }

  #forget(key: string): undefined {
    this.#known.get(key)?.client.closed(true);
    this.#known.delete(key);
    if (this.#known.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }
}

/** No token is kept. */
const keyOf = (token: string | undefined, address: string): string =>
  `${token === undefined ? "" : createHash("sha256").update(token).digest("base64url")} ${address}`;

/** A connection without a socket of its own. */
class HttpLink implements Link {
  readonly address: string;
  onEnd: () => void = () => {};

  constructor(address: string) {
    this.address = address;
  }

  send(): "sent" {
    return "sent";
  }
  bufferedBytes(): number {
    return 0;
  }
  pause(): void {}
  resume(): void {}
  close(): void {
    queueMicrotask(() => this.onEnd());
  }
  cut(): void {
    queueMicrotask(() => this.onEnd());
  }
  join(): void {}
  leave(): void {}
}
