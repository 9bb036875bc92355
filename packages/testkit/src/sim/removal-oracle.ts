// Owns: judging that nothing of a history that an operator removed is delivered afterwards.
import type { Position, ServerFrame } from "@holdfast/protocol";
import { jsonClientCodec } from "@holdfast/protocol";
import { msgpackClientCodec } from "@holdfast/protocol/msgpack";
import type { BrokerTruth } from "./broker-truth.ts";
import type { Message } from "./connection.ts";
import { dataText } from "./data.ts";

/**
 * A node hears of a removal as fast as of a publication. One that could not hear the broker asks it
 * when it hears it again; after this time it has had an answer.
 */
export const HEARD_WITHIN_MS = 8000;

export interface RemovalView {
  readonly truth: BrokerTruth;
  readonly nowMs: number;
  /** Since then the node hears the broker, and calls are answered. */
  readonly hearsSinceMs: number;
  /** How long it may take to hear. Default `HEARD_WITHIN_MS`. */
  readonly withinMs?: number;
}

/** What a message brings that was removed, in words; undefined: nothing. */
export function removedIn(message: Message, view: RemovalView): string | undefined {
  if (view.truth.removals === 0) return undefined;
  const codec = typeof message === "string" ? jsonClientCodec : msgpackClientCodec;
  for (const frame of codec.decode(message as never)) {
    const found = removedOf(frame, view);
    if (found !== undefined) return found;
  }
  return undefined;
}

function removedOf(frame: ServerFrame<unknown>, view: RemovalView): string | undefined {
  if (frame.t === "pub") return removedAt(frame.ch, frame.o, frame.data, view);
  if (frame.t !== "history") return undefined;
  for (const { o, data } of frame.pubs) {
    const found = removedAt(frame.ch, o, data, view);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether this publication was removed, and the node has had the time to hear of it. */
export function isLongRemoved(
  channel: string,
  { epoch, offset }: Position,
  { truth, nowMs, hearsSinceMs, withinMs = HEARD_WITHIN_MS }: RemovalView,
): boolean {
  const life = truth.life(channel, epoch);
  return (
    life !== undefined &&
    offset <= life.removedTo &&
    nowMs - Math.max(life.removedMs, hearsSinceMs) >= withinMs
  );
}

function removedAt(
  channel: string,
  offset: number,
  data: unknown,
  view: RemovalView,
): string | undefined {
  for (const { epoch, removedMs } of view.truth.lives(channel)) {
    if (!isLongRemoved(channel, { epoch, offset }, view)) continue;
    const taken = view.truth.at(channel, { epoch, offset });
    // The same offset of another life holds something else.
    if (taken !== undefined && taken.text === dataText(data))
      return `${channel} ${epoch} ${offset}, removed ${(view.nowMs - removedMs).toFixed(0)} ms ago`;
  }
  return undefined;
}
