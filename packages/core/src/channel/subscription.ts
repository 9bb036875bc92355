// Owns: one connection's subscription to one channel: how far it got, and whether it is live.

import type { Connection } from "../session/connection.ts";
import type { ChannelHub } from "./channel-hub.ts";

/**
 * - `live`: gets every publication as the hub passes it on; its position is the hub's.
 * - `catching`: reads its way from `cursor` to the hub's position.
 * - `lagging`: waits at `cursor` until its connection can take more.
 * - `ahead`: was delivered more elsewhere than this node has heard of; waits until the hub reaches
 * `cursor`.
 */
export type SubscriptionState = "live" | "catching" | "lagging" | "ahead" | "ended";

export class Subscription {
  readonly connection: Connection;
  readonly hub: ChannelHub;
  state: SubscriptionState = "catching";
  /** Offset of the last publication handed to the connection; only meaningful while not live. */
  cursor = 0;
  /** Place in the hub's list of live subscriptions. */
  index = -1;
  /** Its part of the hub's group; -1 outside of one. */
  part = -1;
  /** A read of history is under way. */
  reading = false;
  /**
   * While a recovery that the client asked for runs: publications so far and whether a gap was
   * declared; afterwards undefined.
   */
  recovery: { count: number; gap: boolean } | undefined = undefined;

  constructor(connection: Connection, hub: ChannelHub) {
    this.connection = connection;
    this.hub = hub;
  }
}
