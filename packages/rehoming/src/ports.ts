// Owns: what a held client needs from outside.
import type { Frame } from "./frame.ts";

/** Names one upstream socket of one client. Never used again. */
export type HomeId = number;

/** The upstream that is open when the client is accepted. */
export const FIRST_HOME: HomeId = 0;

/** The socket that is held. */
export interface ClientSide {
  send(frame: Frame): void;
  /**
   * Closes the socket. Nothing is sent after it. The shell MAY do so later, to pace it; frames of
   * the client that come until then are not handed in.
   */
  close(code: number, reason: string): void;
  /** No more frames of the client until `resume`. A few that were read already MAY still come. */
  pause(): void;
  resume(): void;
}

/** Sockets to upstreams of one client. */
export interface UpstreamSide {
  /**
   * Opens a socket to an endpoint that takes clients. MUST end in one `homeOpened` or `homeFailed`,
   * never inside this call, and within a time limit of its own. `not`: the client's current
   * endpoint, or the one that it has just lost.
   */
  open(home: HomeId, not: HomeId | undefined): void;
  send(home: HomeId, frame: Frame): void;
  /**
   * Starts the closing handshake. What the upstream still sends is handed in until `homeClosed`.
   * The shell ends a socket whose upstream does not answer within its own time limit.
   */
  close(home: HomeId, code: number, reason: string): void;
  /** Ends the socket at once. Nothing of it is handed in any more, `homeClosed` neither. */
  drop(home: HomeId): void;
}

/** Room for frames that wait, which all clients of a gateway share. */
export interface Room {
  /** False: there is none left for this client. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** Why a client is without an upstream, or moves. */
export type MoveCause = "drain" | "rebalance" | "lost";

/** What is counted. `pausedMs`: how long no frame of the client could pass. */
export interface HeldObserver {
  moved(cause: MoveCause, pausedMs: number): void;
  moveFailed(cause: MoveCause, why: string): void;
  /** Frames of the client that no upstream took. The client's close said so, if it could. */
  dropped(frames: number, why: string): void;
  ended(code: number, reason: string): void;
}

export interface HeldClock {
  /** Milliseconds that never go back. */
  nowMs(): number;
  /** Runs `task` once, not before `delayMs` from now. The result cancels it. */
  after(delayMs: number, task: () => void): () => void;
}

export interface HeldPorts {
  readonly clock: HeldClock;
  /** Uniform in [0, 1). */
  readonly random: { next(): number };
  readonly client: ClientSide;
  readonly upstream: UpstreamSide;
  readonly room: Room;
  readonly observer: HeldObserver;
}

export interface HeldLimits {
  /** Frames that wait for an upstream, and what the profile remembers, of one client. */
  readonly waitingBytesMax: number;
  /** Without an upstream for longer, the client is told. */
  readonly homelessMsMax: number;
  /** How long a move waits for a quiet moment. */
  readonly settleMsMax: number;
  /** How long an upstream that was asked to go may take to send its last frames. */
  readonly lastFramesMsMax: number;
  /** How long a profile may take to attach. */
  readonly attachMsMax: number;
  /** Upstreams that a client may lose within `stableMs` each, before it is told. */
  readonly lostMax: number;
  readonly stableMs: number;
}

export const HELD_LIMITS: HeldLimits = {
  waitingBytesMax: 256 * 1024,
  homelessMsMax: 10_000,
  settleMsMax: 2000,
  lastFramesMsMax: 1000,
  attachMsMax: 5000,
  lostMax: 4,
  stableMs: 30_000,
};
