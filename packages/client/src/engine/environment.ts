// Owns: what the client's engine needs from outside: time, chance, connections.
import type { Encoded } from "@holdfast/protocol";

/**
 * Time and chance come from here alone, so that one seed replays a run. The same shape as a node's
 * clock.
 */
export interface ClientClock {
  /** Milliseconds that never go back. */
  nowMs(): number;
  /**
   * Runs `task` once, not before `delayMs` (at most 2^31-1) from now and never inside this call.
   * The result cancels it.
   */
  after(delayMs: number, task: () => void): () => void;
  /** Runs `task` once at the end of this turn of the event loop. */
  defer(task: () => void): void;
}

/**
 * One WebSocket, as the engine sees it. All calls are legal at any time; before `opened`,
 * after `close` and after the end `send` does nothing.
 */
export interface Transport {
  send(message: Encoded): void;
  /**
   * Starts the closing handshake behind everything sent; before `opened` gives the attempt up.
   * Codes 1000 and 4000-4999.
   */
  close(code: number, reason: string): void;
}

/**
 * What a transport tells. MUST NOT be called inside `open` or `close`. `closed` MUST be called
 * exactly once, also when the attempt failed (code 1006).
 */
export interface TransportHandlers {
  opened(): void;
  message(message: Encoded): void;
  closed(code: number, reason: string): void;
}

/** Everything that the engine does not decide. */
export interface ClientEnvironment {
  readonly clock: ClientClock;
  /** Uniform in [0, 1). */
  readonly random: { next(): number };
  /** Begins to open a connection with the one subprotocol. */
  open(url: string, subprotocol: string, handlers: TransportHandlers): Transport;
}
