// Owns: judging that nothing of a history that an operator removed is delivered afterwards.
import type { ServerFrame } from "@holdfast/protocol";
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

function removedAt(
  channel: string,
  offset: number,
  data: unknown,
  { truth, nowMs, hearsSinceMs }: RemovalView,
): string | undefined {
  for (const { epoch, removedTo, removedMs } of truth.lives(channel)) {
    if (offset > removedTo || nowMs - Math.max(removedMs, hearsSinceMs) < HEARD_WITHIN_MS) continue;
    const taken = truth.at(channel, { epoch, offset });
    // The same offset of another life holds something else.
    if (taken !== undefined && taken.text === dataText(data))
      return `${channel} ${epoch} ${offset}, removed ${(nowMs - removedMs).toFixed(0)} ms ago`;
  }
  return undefined;
}
