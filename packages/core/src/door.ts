// Owns: the interface between a door and the engine: a client's frames as items, the node's frames
// through the door's codec. docs/adr/0004-doors.md says why.
import type { Identity } from "@holdfast/contract";
import type {
  ClientFrame,
  ConnectFrame,
  DecodeFault,
  Encoded,
  ServerFrame,
} from "@holdfast/protocol";

/** What a door read from its client: a frame, or what is wrong with one. */
export type Item =
  | ClientFrame
  | DoorConnect
  | DoorPublish
  | { readonly t: "fault"; readonly fault: DecodeFault };

/** A connect frame with what the door knows beside it. */
export interface DoorConnect extends ConnectFrame {
  /** The transport proved who it is, by a client certificate: no token is asked for. */
  readonly identity?: Identity;
  /** Silence after which the connection ends. Absent: `timeouts.idleMs`. */
  readonly idleMs?: number;
}

/** A publish frame with what the door keeps with the publication (`Publication.meta`). */
export type DoorPublish = Extract<ClientFrame, { t: "publish" }> & {
  readonly meta?: Uint8Array;
  /**
   * The door's own session, of which `idem` is a key: it may outlive the engine's. Nobody else may
   * be able to guess it.
   */
  readonly idemScope?: string;
};

/**
 * Since when a session may subscribe to what it may subscribe to, for doors whose sessions outlive
 * their connections. `right`: the claims that granted it.
 */
export interface KeptEntitlement {
  readonly sinceMs: number;
  readonly policy: string;
  readonly right: string;
}

/** How a door writes frames for its clients. It knows nothing of time or sockets. */
export interface DoorCodec {
  /** The name that people read in figures. MUST be one of few names. */
  readonly name: string;
  /**
   * True: a frame is the same for everyone who has this very object, so that a publication is
   * encoded once for all of them. A door MUST have few of these, and make them once.
   * False: the codec belongs to one connection and may remember what it has written.
   */
  readonly shared: boolean;
  encode(frame: ServerFrame): Encoded;
  /** Makes one message of one or more encoded frames. Absent: each frame is its own message. */
  join?(frames: readonly Encoded[]): Encoded;
}

/** Limits that a door enforces before the engine sees a message. */
export interface DoorLimits {
  /** A message of the client, in bytes. */
  readonly messageBytesMax: number;
  /** The application's data in one frame, in bytes. */
  readonly dataBytesMax: number;
}

/** One client of a door, as its transport sees it. Calls after `closed` do nothing. */
export interface DoorClient {
  message(message: Encoded): void;
  /** The last message took `ms` of the process. A transport SHOULD call this for large messages. */
  processed(ms: number): void;
  /** The link has room again after `send` answered "queued". */
  writable(): void;
  /** The peer answered `Link.ping`. */
  alive?(): void;
  /** The link is gone. Called once. `isClean`: with a closing handshake. Absent: it vanished. */
  closed(isClean?: boolean): void;
}
