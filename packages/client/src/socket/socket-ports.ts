// Owns: what the engine of a HoldfastSocket needs from outside, and what it tells.

/** How a socket ended. `isError`: an `error` event came before. */
export interface SocketEnd {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
  readonly isError: boolean;
}

/** One WebSocket below. */
export interface RawSocket {
  /** The subprotocol that was chosen, once it is open. */
  readonly protocol: string;
  send(data: unknown): void;
  close(code?: number, reason?: string): void;
}

export interface RawEvents {
  opened(): void;
  message(data: unknown): void;
  /** Once, and the last. */
  closed(end: SocketEnd): void;
}

/** What is known of an address: a gateway spoke there, or a server that refused our offer. */
export type Known = "gateway" | "plain";

/** Time, chance, sockets, and whoever uses the socket. */
export interface SocketPorts {
  readonly clock: {
    nowMs(): number;
    /** Runs `task` once. The result cancels it. */
    after(delayMs: number, task: () => void): () => void;
  };
  /** Uniform in [0, 1). */
  random(): number;
  /** 16 to 40 of 0-9 and a-z, which nobody can guess. */
  nonce(): string;
  /** Begins to open a socket to the one address. The first call may throw, as WebSocket does. */
  open(protocols: readonly string[], events: RawEvents): RawSocket;
  /** Bytes that a message takes while it waits, and the message as it is now. */
  kept(data: unknown): { readonly data: unknown; readonly bytes: number };
  known(): Known | undefined;
  learn(known: Known): void;
  readonly told: {
    opened(): void;
    message(data: unknown): void;
    closed(end: SocketEnd): void;
    /** It goes on over another socket. `move`: nothing is missing but what the profile says. */
    replaced(how: "move" | "reconnect"): void;
  };
}

/** Limits of one socket. */
export interface SocketRules {
  /** What waits while there is no socket to send over. Beyond it the socket is closed. */
  readonly bufferBytesMax: number;
  /** Undefined: it does not reconnect. */
  readonly reconnect: { readonly attemptsMax: number; readonly msMax: number } | undefined;
}
