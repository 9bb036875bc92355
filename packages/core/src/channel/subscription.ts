// Owns: one connection's subscription to one channel: how far it got, and whether it is live.

import type { ChannelRules } from "@holdfast/contract";
import type {
  Encoded,
  GapFrame,
  GapReason,
  Position,
  PubFrame,
  ServerFrame,
} from "@holdfast/protocol";
import type { DoorCodec } from "../door.ts";
import type { Link } from "../ports.ts";
import type { Outgoing, OutgoingPage, Ring } from "./ring.ts";

/** Who gets what a channel passes on: a connection, as its channels need it. */
export interface Receiver {
  readonly codec: Pick<DoorCodec, "encode">;
  /** Index into `Outgoing.encoded`; OWN: its codec is nobody else's. */
  readonly codecNumber: number;
  readonly phase: string;
  /** What is kept of a client's connection (felt.ts). Consumers on the node itself have none. */
  readonly openedMs?: number;
  felt?: number;
  /** Takes no more for now. */
  readonly lagging: boolean;
  readonly link: Pick<Link, "join" | "leave">;
  /** A frame for this receiver alone, which it caused by asking. */
  send(frame: ServerFrame): void;
  /** A frame that it did not ask for, if its codec is its own. */
  push(frame: ServerFrame): void;
  enqueue(encoded: Encoded): void;
  /** Adds a frame that the client caused by asking for what it missed. */
  answer(encoded: Encoded): void;
  /** Counts bytes that were read for it and that it does not get. */
  charge(bytes: number): void;
  /** Runs `then` when another answer may be made, or the connection has ended. */
  whenRoom(then: () => void): void;
  /** Keeps room for an answer in the making; the result gives it back. */
  reserve(bytes: number): () => void;
  /** Hands over what was enqueued, so that the link's buffer counts it. */
  flush(): void;
  /** Checks the link's buffer: a connection with too much in it lags, or ends. */
  checkPressure(): void;
}

/** The channel on this node, as its subscriptions need it. */
export interface SubscribedHub {
  readonly channel: string;
  readonly rules: ChannelRules;
  readonly state: "opening" | "live" | "mending" | "closed";
  readonly epoch: string;
  /** Offset of the last publication that was passed on. */
  readonly passed: number;
  readonly ring: Ring;
  /** Publications after `offset` from the broker. Rejects with BrokerError. */
  read(offset: number): Promise<OutgoingPage>;
  /** Compares the hub's position with the broker's. */
  recheck(): void;
  goLive(subscription: Subscription): void;
  demote(subscription: Subscription): void;
  remove(subscription: Subscription): void;
  encode(entry: Outgoing, receiver: Receiver): Encoded;
  frameOf(entry: Outgoing): PubFrame;
  gapFrame(from: number, to: number | null, reason: GapReason, offset: number): GapFrame;
}

/** A recovery that the client asked for. */
export interface Recovery {
  /** Publications so far. */
  count: number;
  /** A gap was declared. */
  gap: boolean;
  /**
   * What was not published after `afterMs` and is not behind `position` is not given. Behind it is
   * what was published since the subscription was allowed. Absent: everything is given.
   */
  readonly bounds?: { readonly afterMs: number; readonly position: Position };
}

/**
 * - `live`: gets every publication as the hub passes it on; its position is the hub's.
 * - `catching`: reads history from `cursor` to the hub's position.
 * - `lagging`: waits at `cursor` until its connection can take more.
 * - `ahead`: another node delivered more to it than this node has heard of; waits until the hub
 *   reaches `cursor`.
 */
export type SubscriptionState = "live" | "catching" | "lagging" | "ahead" | "ended";

export class Subscription {
  readonly connection: Receiver;
  readonly hub: SubscribedHub;
  state: SubscriptionState = "catching";
  /** Offset of the last publication handed to the connection; only meaningful while not live. */
  cursor = 0;
  /** Place in the hub's list of live subscriptions. */
  index = -1;
  /** Its part of the hub's group; -1 outside of one. */
  part = -1;
  /** A read of history is under way. */
  reading = false;
  /** While a recovery that the client asked for runs; afterwards undefined. */
  recovery: Recovery | undefined = undefined;

  constructor(connection: Receiver, hub: SubscribedHub) {
    this.connection = connection;
    this.hub = hub;
  }
}
