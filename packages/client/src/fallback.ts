// Owns: a socket for networks that let no WebSocket through. It tries a WebSocket, then a stream
// over HTTP, then long polling, and keeps to what works (spec/http.md).
import {
  type HttpWays,
  pollWay,
  streamWay,
  type Way,
  type WayEvents,
  type WayLink,
} from "./http-ways.ts";
import type { WebSocketConstructor, WebSocketLike } from "./options.ts";

/** A way to the node. */
export type TransportName = "websocket" | "stream" | "poll";

/** Options of `fallback`. Times in ms. */
export interface FallbackOptions {
  /** Default: the runtime's own. If there is none, it is not tried. */
  readonly WebSocket?: WebSocketConstructor;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
  /** What is tried, in this order. Default: all three. */
  readonly transports?: readonly TransportName[];
  /** If a way has not opened by then, the next is tried beside it. Default 1,200. */
  readonly patienceMs?: number;
  /** How long a way that did not open is left out if another one did. Default 300,000. */
  readonly againMs?: number;
  /** Told which way each new connection takes. */
  readonly onTransport?: (name: TransportName) => void;
}

const TRANSPORTS: readonly TransportName[] = ["websocket", "stream", "poll"];
const PATIENCE_MS = 1_200;
const AGAIN_MS = 300_000;
const [OPENING, OPEN, CLOSED] = [0, 1, 3];
/** The socket was not closed in order (RFC 6455). */
const LOST = 1006;

/**
 * For the option `WebSocket` of a client. The session, presence, publishes and calls are the same
 * over every way, and the client moves between them as between nodes.
 *
 * What one connection found out holds for the next ones of the same constructor.
 */
export function fallback(options: FallbackOptions = {}): WebSocketConstructor {
  const leftOutUntilMs = new Map<TransportName, number>();
  const ways = waysOf(options);
  const given = options.transports ?? TRANSPORTS;
  const { patienceMs = PATIENCE_MS, againMs = AGAIN_MS } = options;
  return class FallbackSocket implements WebSocketLike {
    binaryType = "arraybuffer";
    readyState = OPENING;
    onopen: WebSocketLike["onopen"] = null;
    onmessage: WebSocketLike["onmessage"] = null;
    onclose: WebSocketLike["onclose"] = null;
    onerror: WebSocketLike["onerror"] = null;
    readonly #tried: { readonly name: TransportName; readonly link: WayLink }[] = [];
    readonly #left: TransportName[];
    readonly #url: string;
    readonly #protocol: string;
    #chosen: WayLink | undefined;
    #timer: ReturnType<typeof setTimeout> | undefined;
    /** Ways that may still open. */
    #pending = 0;

    constructor(url: string, protocols: string) {
      this.#url = url;
      this.#protocol = protocols;
      const nowMs = performance.now();
      const usable = given.filter((name) => ways[name] !== undefined);
      const good = usable.filter((name) => (leftOutUntilMs.get(name) ?? 0) <= nowMs);
      this.#left = good.length > 0 ? good : usable;
      // Not inside of the constructor: nobody listens yet.
      this.#timer = setTimeout(() => this.#next(), 0);
    }

    send(data: string | Uint8Array<ArrayBuffer>): void {
      this.#chosen?.send(data);
    }

    close(code = 1000, reason = ""): void {
      clearTimeout(this.#timer);
      this.#left.length = 0;
      if (this.#chosen !== undefined) this.#chosen.close(code, reason);
      else {
        for (const { link } of this.#tried) link.close(1000, "");
        setTimeout(() => this.#onClosed(LOST, ""), 0);
      }
    }

    #next(): void {
      clearTimeout(this.#timer);
      const name = this.#left.shift();
      if (name === undefined) {
        if (this.#pending === 0) this.#onClosed(LOST, "no way to the node");
        return;
      }
      this.#pending += 1;
      this.#timer = setTimeout(() => this.#next(), patienceMs);
      const link: WayLink | undefined = ways[name]?.(
        this.#url,
        this.#protocol,
        this.#eventsOf(name, () => link),
      );
      if (link !== undefined) this.#tried.push({ name, link });
    }

    #eventsOf(name: TransportName, link: () => WayLink | undefined): WayEvents {
      const isChosen = () => this.#chosen !== undefined && this.#chosen === link();
      return {
        opened: () => {
          if (this.readyState === OPENING) this.#choose(name, link());
        },
        message: (data) => {
          if (isChosen()) this.onmessage?.({ data } as never);
        },
        closed: (code, reason) => {
          if (isChosen()) return this.#onClosed(code, reason);
          this.#pending -= 1;
          if (this.readyState === OPENING) this.#next();
        },
      };
    }

    #choose(name: TransportName, chosen: WayLink | undefined): void {
      clearTimeout(this.#timer);
      this.#chosen = chosen;
      this.readyState = OPEN;
      const untilMs = performance.now() + againMs;
      for (const { name: other, link } of this.#tried) {
        if (link === chosen) continue;
        // Those behind it were begun because it was slow.
        if (given.indexOf(other) < given.indexOf(name)) leftOutUntilMs.set(other, untilMs);
        link.close(1000, "");
      }
      leftOutUntilMs.delete(name);
      options.onTransport?.(name);
      this.onopen?.({} as never);
    }

    #onClosed(code: number, reason: string): void {
      if (this.readyState === CLOSED) return;
      clearTimeout(this.#timer);
      this.readyState = CLOSED;
      this.onclose?.({ code, reason } as never);
    }
  };
}

function waysOf(options: FallbackOptions): Partial<Record<TransportName, Way>> {
  const WebSocket = options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
  const http: HttpWays = { fetch: options.fetch ?? globalThis.fetch.bind(globalThis) };
  return {
    ...(WebSocket === undefined ? {} : { websocket: webSocketWay(WebSocket) }),
    stream: streamWay(http),
    poll: pollWay(http),
  };
}

const webSocketWay =
  (WebSocket: WebSocketConstructor): Way =>
  (url, protocol, events) => {
    let socket: WebSocketLike;
    try {
      socket = new WebSocket(url, protocol);
    } catch {
      setTimeout(() => events.closed(LOST, ""), 0);
      return { send() {}, close() {} };
    }
    socket.binaryType = "arraybuffer";
    socket.onopen = () => events.opened();
    socket.onmessage = ({ data }: { readonly data: string | ArrayBuffer }) => events.message(data);
    socket.onclose = (event: { readonly code: number; readonly reason: string }) =>
      events.closed(event.code, event.reason);
    socket.onerror = () => {};
    return {
      send: (data) => {
        if (socket.readyState === OPEN) socket.send(data);
      },
      close: (code, reason) => {
        try {
          socket.close(code, reason);
        } catch {
          // The reason was longer than 123 bytes of UTF-8.
          socket.close(code);
        }
      },
    };
  };
