// Owns: the port of profiles: what attaching a held client to a new upstream takes.
import type { Frame } from "./frame.ts";

/** What a session knows, as frames in an order that its profile alone understands. */
export type Saved = readonly Frame[];

/** What is known of a client whose upstream was left. */
export interface Released {
  /** The upstream was read to its end. */
  readonly isWhole: boolean;
  readonly saved: Saved;
}

/**
 * How a protocol is re-homed. A profile is pure: it knows time and sockets only through its
 * `ProfileOut`. One is made for each route, and makes a session for each held client.
 */
export interface Profile {
  readonly name: string;
  /**
   * False: a client whose upstream goes is told so by a close, and connects anew. Re-homing a
   * protocol that nobody declared is worse than closing it.
   */
  readonly rehomes: boolean;
  /**
   * A move waits until no frame passed for so long, at most `settleMsMax`, because an answer that
   * is under way would be missed. 0: nothing is ever missed.
   */
  readonly quietMs: number;
  /** Subprotocols of upstreams, if they are not the client's own. */
  readonly subprotocols?: Subprotocols;
  /** An upstream's message may be so much longer than one of the client. Default 0. */
  readonly frameBytesExtra?: number;
  create(out: ProfileOut): ProfileSession;
  /**
   * A session of a client that another gateway held: `saved` is what `save` gave there. Its next
   * upstream is attached as any other. Undefined: this is none of the profile's, whoever wrote it.
   * Absent: its clients stay with their gateway.
   */
  restore?(out: ProfileOut, saved: Saved): ProfileSession | undefined;
  /**
   * True: what `save` gives is the application's own, which clients must neither read nor change.
   * It goes through their hands only sealed.
   */
  readonly isPrivate?: boolean;
}

/** What a gateway says to upstreams in the name of a client. */
export interface Subprotocols {
  /** What upstreams are offered, by what the client offered. */
  offered(client: readonly string[]): readonly string[];
  /** The client's, by what an upstream chose; empty: none. Undefined: the upstream won't do. */
  chosen(upstream: string): string | undefined;
}

/** What a profile may do to the client and its upstreams. Calls take effect at once. */
export interface ProfileOut {
  toClient(frame: Frame): void;
  /** To the current upstream. MUST NOT be called before the first `switched`. */
  toUpstream(frame: Frame): void;
  /** To the upstream that is being attached. */
  toNext(frame: Frame): void;
  /** The next upstream knows the client now, and may take over. Exactly once for each `attach`. */
  attached(): void;
  /** The next upstream does not take the client so. Another is tried; `why` is for the log. */
  refused(why: string): void;
  /** Ends the client side with a close code that may be sent, and a reason of 123 bytes at most. */
  end(code: number, reason: string): void;
  /** The current upstream hangs: it is given up as if its socket broke. `why` is for the log. */
  lost(why: string): void;
  /** Runs `task` once, not before `delayMs` from now; never once the client is gone. */
  after(delayMs: number, task: () => void): Cancel;
}

export type Cancel = () => void;

/**
 * One held client's side of a protocol.
 *
 * While a client has no current upstream, its frames wait in the engine, and `fromClient` gets them
 * later, in order. So a profile never holds a frame because there is nobody to give it to.
 */
export interface ProfileSession {
  /** A frame of the client. There is a current upstream. */
  fromClient(frame: Frame): void;
  /** A frame of the current upstream, also after it was asked to go. */
  fromUpstream(frame: Frame): void;
  /**
   * A new upstream is open: the first, or the next one. MUST call `attached` or `refused`, now or
   * when frames have come. An attach before it that did not end is forgotten. `isWhole`: so far,
   * the former one was read to its end, is still there, or there was none.
   */
  attach(isWhole: boolean): void;
  /** A frame of the upstream that is being attached, until `attached` was called. */
  fromNext(frame: Frame): void;
  /**
   * The upstream that was attached is the current one now. `isWhole`: the one before it was read to
   * its end, or there was none. Otherwise it vanished, and what it had taken and not answered is
   * sent again here, or answered, or declared missing.
   */
  switched(isWhole: boolean): void;
  /**
   * Nothing waits for an answer, so this is a good moment to move. If it does not come, the
   * client's frames wait at last, and the answers that are under way come first.
   */
  readonly isQuiet: boolean;
  /** False: this client is none that can be moved, whatever the profile says of others. */
  readonly rehomes?: boolean;
  /** Bytes remembered for the next attach. They count as waiting frames do. */
  readonly bytes: number;
  /**
   * True: `attach` comes only when the former upstream was left and read to its end, for servers
   * that know a client once: the later of two takes the session from the earlier. The next socket
   * is open before, and its frames wait for `attach`.
   */
  readonly attachesAlone?: boolean;
  /**
   * Asked about each frame of the client as it arrives, also while there is no upstream. True: it
   * was for the gateway itself, as a ping is, and goes no further.
   */
  takes?(frame: Frame): boolean;
  /**
   * Whether an upstream that closes so goes, and the client is welcome elsewhere. Undefined: the
   * code says it, as for any protocol.
   */
  isGone?(code: number): boolean | undefined;
  /** The client is gone. The last call. */
  ended?(): void;
  /**
   * True: upstreams must acknowledge first. The client is read no further, and its frames wait in
   * the engine, within its limits. Looked at after each frame and timer.
   */
  readonly isFull?: boolean;
  /**
   * Asks the current upstream to go, instead of a closing handshake of the gateway's. The upstream
   * closes its socket, within the time for its last frames.
   */
  leave?(): void;
  /**
   * The client closed its socket, behind its last frame. Once; there is a current upstream. It may
   * be lost afterwards: then `switched` comes again.
   */
  clientClosed?(code: number, reason: string): void;
  /** True: an upstream must still acknowledge something of a client that closed. */
  readonly isOwing?: boolean;
  /** What `restore` wants to know. The upstream was left. */
  save?(): Saved;
}
