// Owns: one channel's subscription on one connection, and the rules of continuity there.
import type { GapFrame, Position, PubFrame, SubscribedFrame } from "@holdfast/protocol";

/** Frames kept while another connection may still bring what this one declares lost. */
export const HELD_MAX = 1_000;

/**
 * `requested`: no answer yet, publications are of an older subscription. `holding`: behind a gap
 * that another connection may fill.
 */
export interface ChannelOnConnection {
  state: "requested" | "live" | "holding";
  /** Epoch of the position that it was asked for with. */
  readonly askedEpoch: string | undefined;
  position: Position;
  head: number;
  /** The node could not continue and said so in `subscribed`; the gap frame must come next. */
  awaitsGap: boolean;
  behind: boolean;
  tries: number;
  held: (PubFrame<unknown> | GapFrame)[];
}

export function newChannelOnConnection(askedEpoch: string | undefined): ChannelOnConnection {
  return {
    state: "requested",
    askedEpoch,
    position: { epoch: "", offset: 0 },
    head: 0,
    awaitsGap: false,
    behind: true,
    tries: 0,
    held: [],
  };
}

export function openChannelOnConnection(
  carried: ChannelOnConnection,
  frame: SubscribedFrame,
): void {
  carried.state = "live";
  carried.position = frame.pos;
  carried.head = frame.head;
  carried.awaitsGap = carried.askedEpoch !== undefined && !frame.recovered;
}

/** Whether the connection has brought everything up to the head that the node named. */
export const isCaughtUp = (carried: ChannelOnConnection): boolean =>
  carried.state === "live" && !carried.awaitsGap && carried.position.offset >= carried.head;
