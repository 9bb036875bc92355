// Owns: which frames of a client are requests, and which of those concern a channel.
import type { ClientFrame } from "@holdfast/protocol";

export type FrameOf<T extends ClientFrame["t"]> = Extract<ClientFrame, { t: T }>;

/** Frames that `Requests` answers. */
export type RequestFrame = Exclude<
  ClientFrame,
  { t: "connect" | "ping" | "refresh" | "report" | "bye" }
>;
export type ChannelFrame = Extract<ClientFrame, { ch: string }>;
