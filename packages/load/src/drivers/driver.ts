// Owns: the port of dialects: what a load run asks of a speaker, and the events of a speaker.

export const DRIVER_NAMES = ["holdfast", "socketio", "ws", "centrifuge", "pusher"] as const;
export type DriverName = (typeof DRIVER_NAMES)[number];

/** What a driver is told about its end of the conversation. */
export interface SpeakerOptions {
  /** Sent in the dialect's own way when connecting; never in a URL. */
  readonly token?: string;
  /** Encoding, if the dialect has several. */
  readonly codec: "json" | "msgpack";
}

/** A dialect. */
export interface Driver {
  readonly name: DriverName;
  /** The URL's path if none is given, query included. */
  readonly path: string;
  subprotocol(options: SpeakerOptions): string | undefined;
  /** Headers of the upgrade request. A token goes here if the dialect has no frame for it. */
  headers(options: SpeakerOptions): Readonly<Record<string, string>>;
  /**
   * Whether clients may publish, ping, continue from their position after a lost connection, and
   * get their own publications.
   */
  readonly can: {
    readonly publish: boolean;
    readonly ping: boolean;
    readonly recover: boolean;
    readonly hearItself: boolean;
  };
  speaker(listener: SpeakerListener, options: SpeakerOptions): Speaker;
}

/**
 * One client's side of a dialect. It lives longer than its connections: it keeps what it needs to
 * continue (resume tokens, positions). It has no clocks, sockets or randomness except what it is
 * given.
 */
export interface Speaker {
  /**
   * Interval in ms at which `keepAlive` MUST be called; undefined: never. May change with `ready`.
   */
  keepAliveMs(): number | undefined;
  keepAlive(): void;
  /** A WebSocket is open, for the first time or again. */
  opened(): void;
  /** A whole message is in `bytes` from..to. */
  message(bytes: Buffer, from: number, to: number): void;
  /** Answered by `subscribed`; on a new connection it is asked again for each channel. */
  subscribe(channel: string): void;
  /**
   * `payload` is JSON text. Answered by `answered` with the same `request` if the dialect
   * acknowledges; false: it does not.
   */
  publish(
    request: number,
    publication: { readonly channel: string; readonly payload: string },
  ): boolean;
  /** A round trip through the application's code; answered by `answered`. */
  ping(request: number): void;
  /** Says that the client leaves and does not come back. */
  bye(): void;
  /**
   * How long to stay away before attempt `failures` + 1, with `random` in [0, 1). Called after each
   * loss.
   */
  awayMs(failures: number, random: number): number;
}

export interface SpeakerListener {
  send(message: string | Uint8Array): void;
  /** The handshake is over: it may subscribe and publish. */
  ready(): void;
  /** The subscription exists, and everything that was missed and can be recovered has come. */
  caughtUp(channel: string): void;
  /** A request has its answer; `error` names why it failed. */
  answered(request: number, error?: string): void;
  /** Publications are in these bytes, each with one mark. */
  publications(bytes: Buffer, from: number, to: number): void;
  /** The server declared that publications will not come. `count` undefined: unknown how many. */
  gap(count: number | undefined): void;
  /** The server refused something or broke the dialect. */
  refused(name: string, end: RefusalEnd): void;
}

/**
 * What a refusal means for the connection: it continues, it ends, or the client must not come back.
 */
export type RefusalEnd = "goes on" | "ends" | "stop";

/**
 * A delay between two bounds that grows with failures: for dialects whose server gives no window.
 */
export function spreadMs(
  bounds: { readonly leastMs: number; readonly mostMs: number; readonly capMs: number },
  failures: number,
  random: number,
): number {
  const factor = 2 ** Math.min(failures, 10);
  const least = Math.min(bounds.leastMs * factor, bounds.capMs / 2);
  const most = Math.min(bounds.mostMs * factor, bounds.capMs);
  return least + random * (most - least);
}
