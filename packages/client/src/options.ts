// Owns: what an application may tell a client, its defaults and the checks of both.
import type { ClientCodec } from "@holdfast/protocol";
import type { GetToken } from "./engine/credentials.ts";
import { cannot } from "./engine/errors.ts";

/** The part of the standard WebSocket constructor that the client uses. */
export type WebSocketConstructor = new (url: string, protocols: string) => WebSocketLike;

/**
 * The part of a WebSocket that the client uses. The global one of browsers, Node, Bun and Deno
 * fits, and so does that of the package `ws`.
 */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

/** Options of a client. Times in ms. */
export interface HoldfastOptions {
  /**
   * Gives the token to connect with, and fresh ones: `reason` is `connect`, `refresh` (the one in
   * use expires soon), `expired` or `rejected` (the session cannot be resumed). It has 30 s. A
   * rejection is retried with backoff, unless the error has `permanent: true` or is a HoldfastError
   * whose `retry` is `never`: then the client ends in state `failed`. Absent: anonymous.
   */
  readonly getToken?: GetToken;
  /** Default JSON. `import { msgpack } from "@holdfast/client/msgpack"` for MessagePack. */
  readonly codec?: ClientCodec;
  /**
   * Default: the runtime's own. Node has one from version 22 on; before, pass `WebSocket` of the
   * package `ws`.
   */
  readonly WebSocket?: WebSocketConstructor;
  /** False: nothing happens before `connect()`. Default true. */
  readonly autoConnect?: boolean;
  /**
   * From the attempt's start to the node's answer. Default 10,000. The socket must be open after
   * 3,000, or 6,000 after an attempt that failed, and so on: its way may lead to a dead machine.
   */
  readonly connectTimeoutMs?: number;
  /** Without a connection for longer, the state is `suspended`; attempts go on. Default 30,000. */
  readonly suspendAfterMs?: number;
  /** Default timeout of RPCs, history and presence. Default 10,000. */
  readonly requestTimeoutMs?: number;
  /** Default time for a publish to be acknowledged, offline time included. Default 60,000. */
  readonly publishTimeoutMs?: number;
  /**
   * Publishes that may wait or be unacknowledged, beyond which `publish` rejects with `queue_full`.
   * Default 1,000 of 1 MiB.
   */
  readonly queueMax?: { readonly count?: number; readonly bytes?: number };
  /** Name and version of the application for the node's logs, at most 40 characters. */
  readonly name?: string;
}

/** Options with every default in place. */
export interface CheckedOptions {
  readonly url: string;
  readonly connectTimeoutMs: number;
  readonly suspendAfterMs: number;
  readonly requestTimeoutMs: number;
  readonly publishTimeoutMs: number;
  readonly countMax: number;
  readonly bytesMax: number;
}

const TIMES = {
  connectTimeoutMs: 10_000,
  suspendAfterMs: 30_000,
  requestTimeoutMs: 10_000,
  publishTimeoutMs: 60_000,
};
const TYPES: Readonly<Record<string, string>> = {
  getToken: "function",
  codec: "object",
  WebSocket: "function",
  autoConnect: "boolean",
  queueMax: "object",
  name: "string",
};

/** Throws a HoldfastError `request_invalid` whose `path` is the option. */
export function checkOptions(url: string | URL, options: HoldfastOptions): CheckedOptions {
  const times: typeof TIMES = { ...TIMES };
  for (const [name, value] of Object.entries<unknown>({ ...options })) {
    if (isTime(name)) times[name] = whole(name, value, TIMES[name]);
    else if (!TYPES[name])
      refuse(name, "an unknown option", [...Object.keys(TYPES), ...Object.keys(TIMES)].join(", "));
    else if (value !== undefined && typeof value !== TYPES[name])
      refuse(name, typeof value, TYPES[name]);
  }
  const { name = "", queueMax } = options;
  if (name.length > 40) refuse("name", `${name.length} characters`, "at most 40");
  return {
    ...times,
    url: webSocketUrl(url),
    countMax: whole("queueMax.count", queueMax?.count, 1_000),
    bytesMax: whole("queueMax.bytes", queueMax?.bytes, 1_048_576),
  };
}

const isTime = (name: string): name is keyof typeof TIMES => Object.hasOwn(TIMES, name);

/** A whole number from 1 to 2^31-1, which is also the longest time that timers know. */
export function whole(path: string, value: unknown, fallback: number): number {
  const number = value === undefined ? fallback : (value as number);
  if (Number.isInteger(number) && number > 0 && number < 2 ** 31) return number;
  return refuse(path, String(value), "a whole number from 1 to 2147483647");
}

function webSocketUrl(given: string | URL): string {
  let url: URL;
  try {
    url = new URL(given, globalThis.location?.href);
  } catch {
    return refuse("url", JSON.stringify(given), "a URL such as wss://example.com/connect");
  }
  url.protocol = url.protocol.replace(/^http/, "ws");
  if (!/^wss?:$/.test(url.protocol)) refuse("url", url.protocol, "ws, wss, http or https");
  if (url.username || url.password) refuse("url", "a user name or password", "none: use getToken");
  url.hash = "";
  return url.href;
}

function refuse(path: string, found: string, expected: string): never {
  throw cannot("request_invalid", `use ${path}`, `found ${found}, expected ${expected}`, { path });
}
