// Owns: HoldfastSocket: the interface of WebSocket over sockets that may be replaced.
import { KnownAddresses } from "./known-addresses.ts";
import { type RawWebSocket, rawSocket, type WebSocketClass } from "./raw-socket.ts";
import { SocketEngine } from "./socket-engine.ts";
import type { RawEvents, SocketEnd, SocketRules } from "./socket-ports.ts";

/** What `HoldfastSocket.with` takes. */
export interface HoldfastSocketOptions {
  /** The WebSocket below. Default: the runtime's. */
  readonly WebSocket?: WebSocketClass;
  /**
   * Whether it connects anew if its server or gateway is lost without a move. Messages may be
   * missing then, and the server knows nothing of the client: a `reconnect` event says so. Default:
   * no; the socket is closed, as any WebSocket.
   */
  readonly reconnect?: boolean | { readonly attemptsMax?: number; readonly msMax?: number };
  /** Bytes that may wait while there is no socket to send over. Default 262,144. */
  readonly bufferBytesMax?: number;
}

/**
 * A WebSocket that goes on while the gateway before its server is replaced. It has two events more:
 * `move` and `reconnect`.
 */
export interface HoldfastSocket extends WebSocket {}

/** The constructor, as WebSocket has it. */
export interface HoldfastSocketClass {
  new (url: string | URL, protocols?: string | string[]): HoldfastSocket;
  readonly prototype: HoldfastSocket;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
  /** The same with other options, for libraries that construct their sockets themselves. */
  with(options: HoldfastSocketOptions): HoldfastSocketClass;
}

const BUFFER_BYTES_MAX = 256 * 1024;
const RECONNECT = { attemptsMax: 10, msMax: 60_000 };
const REASON_BYTES_MAX = 123;

const known = new KnownAddresses();

type Handler = ((event: Event) => unknown) | null;

class Socket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  static options: HoldfastSocketOptions = {};

  static with(options: HoldfastSocketOptions): typeof Socket {
    return class HoldfastSocket extends Socket {
      static override options = options;
    };
  }

  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;
  readonly #engine: SocketEngine;
  readonly #handlers = new Map<string, Handler>();
  readonly #sockets = new Set<WebSocket>();
  #first: WebSocket | undefined;
  #binaryType: BinaryType | undefined;
  #lostBytes = 0;

  constructor(url: string | URL, protocols: string | string[] = []) {
    super();
    const { options } = new.target;
    const Below = options.WebSocket ?? (globalThis.WebSocket as WebSocketClass | undefined);
    if (Below === undefined || Below.prototype instanceof Socket || Object.is(Below, Socket))
      throw new TypeError("HoldfastSocket needs the runtime's WebSocket: pass it to `with`");
    const address = String(url).replace(/[?#].*/, "");
    this.#engine = new SocketEngine([protocols].flat(), rulesOf(options), {
      clock: {
        nowMs: () => performance.now(),
        after: (delayMs, task) => {
          const timer = setTimeout(task, delayMs);
          return () => clearTimeout(timer);
        },
      },
      random: Math.random,
      nonce,
      open: (offered, events) => this.#open(() => new Below(url, [...offered]), events),
      kept,
      known: () => known.get(address, performance.now()),
      learn: (what) => known.set(address, what, performance.now()),
      told: {
        opened: () => this.dispatchEvent(new Event("open")),
        message: (data) => this.dispatchEvent(this.#messageOf(data)),
        replaced: (how) => this.dispatchEvent(new Event(how)),
        closed: (end) => this.#closed(end),
      },
    });
  }

  get url(): string {
    return this.#first?.url ?? "";
  }
  get protocol(): string {
    return this.#engine.protocol;
  }
  get extensions(): string {
    return this.#raw?.extensions ?? "";
  }
  get readyState(): number {
    return this.#engine.readyState;
  }
  get bufferedAmount(): number {
    return this.#lostBytes + this.#engine.waitingBytes + (this.#raw?.bufferedAmount ?? 0);
  }
  get binaryType(): BinaryType {
    return this.#binaryType ?? this.#first?.binaryType ?? "blob";
  }
  set binaryType(type: BinaryType) {
    this.#binaryType = type;
    for (const socket of this.#sockets) socket.binaryType = type;
  }
  get onopen(): Handler {
    return this.#handler("open");
  }
  set onopen(handler: Handler) {
    this.#handle("open", handler);
  }
  get onmessage(): Handler {
    return this.#handler("message");
  }
  set onmessage(handler: Handler) {
    this.#handle("message", handler);
  }
  get onerror(): Handler {
    return this.#handler("error");
  }
  set onerror(handler: Handler) {
    this.#handle("error", handler);
  }
  get onclose(): Handler {
    return this.#handler("close");
  }
  set onclose(handler: Handler) {
    this.#handle("close", handler);
  }

  send(data: unknown): void {
    const { readyState } = this;
    if (readyState === Socket.CONNECTING)
      throw new DOMException("The socket is not open yet", "InvalidStateError");
    if (readyState > Socket.OPEN) this.#lostBytes += kept(data).bytes;
    else this.#engine.send(data);
  }

  close(code?: number, reason?: string): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999))
      throw new DOMException(
        `The code ${code} is none of 1000, 3000 to 4999`,
        "InvalidAccessError",
      );
    if (reason !== undefined && bytesOf(reason) > REASON_BYTES_MAX)
      throw new DOMException(`The reason is longer than ${REASON_BYTES_MAX} bytes`, "SyntaxError");
    this.#engine.close(code, reason);
  }

  get #raw(): WebSocket | undefined {
    return (this.#engine.raw as RawWebSocket | undefined)?.socket;
  }

  #open(make: () => WebSocket, events: RawEvents): RawWebSocket {
    let socket: WebSocket;
    try {
      socket = make();
    } catch (error) {
      // The application hears of what it gave; what comes later is a socket that failed.
      if (this.#first === undefined) throw error;
      setTimeout(() => events.closed(FAILED), 0);
      return { socket: this.#first, protocol: "", send() {}, close() {} };
    }
    this.#first ??= socket;
    if (this.#binaryType !== undefined) socket.binaryType = this.#binaryType;
    this.#sockets.add(socket);
    return rawSocket(socket, {
      ...events,
      closed: (end) => {
        this.#sockets.delete(socket);
        events.closed(end);
      },
    });
  }

  #messageOf(data: unknown): MessageEvent {
    return new MessageEvent("message", { data, origin: new URL(this.url).origin });
  }

  #closed({ code, reason, wasClean, isError }: SocketEnd): void {
    if (isError) this.dispatchEvent(new Event("error"));
    const init = { code, reason, wasClean };
    this.dispatchEvent(
      typeof CloseEvent === "undefined"
        ? Object.assign(new Event("close"), init)
        : new CloseEvent("close", init),
    );
  }

  #handler(name: string): Handler {
    return this.#handlers.get(name) ?? null;
  }

  /** It keeps its place among listeners, as handlers do. */
  #handle(name: string, handler: Handler): void {
    if (!this.#handlers.has(name))
      this.addEventListener(name, (event) => this.#handlers.get(name)?.call(this, event));
    this.#handlers.set(name, typeof handler === "function" ? handler : null);
  }
}

const FAILED: SocketEnd = { code: 1006, reason: "", wasClean: false, isError: true };

/** The drop-in for WebSocket. */
export const HoldfastSocket = Socket as unknown as HoldfastSocketClass;

function rulesOf({ reconnect, bufferBytesMax }: HoldfastSocketOptions): SocketRules {
  return {
    bufferBytesMax: bufferBytesMax ?? BUFFER_BYTES_MAX,
    reconnect:
      reconnect === undefined || reconnect === false
        ? undefined
        : { ...RECONNECT, ...(reconnect === true ? {} : reconnect) },
  };
}

function nonce(): string {
  const bits = crypto.getRandomValues(new Uint8Array(20));
  return Array.from(bits, (one) => (one % 36).toString(36)).join("");
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** What waits is what it was when it was sent: the application may change its buffer. */
function kept(data: unknown): { readonly data: unknown; readonly bytes: number } {
  if (data instanceof Blob) return { data, bytes: data.size };
  if (data instanceof ArrayBuffer) return { data: data.slice(0), bytes: data.byteLength };
  if (ArrayBuffer.isView(data)) {
    const { buffer, byteOffset, byteLength } = data;
    return { data: new Uint8Array(buffer, byteOffset, byteLength).slice(), bytes: byteLength };
  }
  const text = String(data);
  return { data: text, bytes: bytesOf(text) };
}
