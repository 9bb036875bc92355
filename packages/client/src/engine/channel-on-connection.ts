// Owns: one channel's subscription on one connection, and the rules of continuity there.
import type { GapFrame, Position, PubFrame, SubscribedFrame } from "@holdfast/protocol";
import type { Connection } from "./connection.ts";
import type { Stream } from "./stream.ts";

/** Frames kept while another connection may still bring what this one declares lost. */
export const HELD_MAX = 1_000;

/** A connection, and the subscriptions that were asked for on it. */
export interface Attachment {
  readonly connection: Connection;
  readonly channels: Map<string, ChannelOnConnection>;
  /** Subscriptions that are resumed after a loss, not moved. */
  readonly resumes: boolean;
}

export interface ChannelOnConnection {
  readonly attachment: Attachment;
  readonly stream: Stream;
  /**
   * `requested`: no answer yet; publications are of an older subscription. `refused`: for good, as
   * far as this node knows.
   */
  state: "requested" | "refused" | "live";
  /** Epoch of the position that it was asked for with. */
  readonly askedEpoch: string | undefined;
  position: Position;
  head: number;
  /** The node could not continue and said so in `subscribed`; the gap frame must come next. */
  awaitsGap: boolean;
  behind: boolean;
  /** How often it was refused for the moment. */
  readonly tries: number;
  /** A gap that another connection may fill, and what came behind it. */
  held: (PubFrame<unknown> | GapFrame)[];
}

/** A subscription that is asked for from where the stream is. */
export const newChannelOnConnection = (
  attachment: Attachment,
  stream: Stream,
  tries: number,
): ChannelOnConnection => ({
  attachment,
  stream,
  state: "requested",
  askedEpoch: stream.position?.epoch,
  position: { epoch: "", offset: 0 },
  head: 0,
  awaitsGap: false,
  behind: true,
  tries,
  held: [],
});

export function openChannelOnConnection(
  carried: ChannelOnConnection,
  frame: SubscribedFrame,
): void {
  carried.state = "live";
  carried.position = frame.pos;
  carried.head = frame.head;
  carried.awaitsGap = carried.askedEpoch !== undefined && !frame.recovered;
}

/** Whether the connection delivers: it has the subscription, and holds nothing back. */
export const delivers = ({ state, held }: ChannelOnConnection): boolean =>
  state === "live" && held.length === 0;

/** Whether the connection has brought everything up to the head that the node named. */
export const isCaughtUp = (carried: ChannelOnConnection): boolean =>
  delivers(carried) && !carried.awaitsGap && carried.position.offset >= carried.head;
