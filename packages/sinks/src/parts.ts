// Owns: finding the records that make a target refuse a batch, by halving it.
import type { SinkRefusals } from "@holdfast/pipelines/sink";

/** A target's final no to what it got. `reason` goes into dead letters. */
export class Refusal {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/**
 * Sends records as one, and if they are refused, each half, in order. A record that is refused
 * alone is the one. `send` gets a part and where it begins. Whatever else is thrown ends it: what
 * was sent before is there.
 */
export async function inParts<T>(
  records: readonly T[],
  send: (part: readonly T[], from: number) => Promise<Refusal | undefined>,
): Promise<SinkRefusals | undefined> {
  const refused: { readonly index: number; readonly reason: string }[] = [];
  const parts = [{ from: 0, to: records.length }];
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    const { from, to } = part;
    if (from >= to) continue;
    const refusal = await send(records.slice(from, to), from);
    if (refusal === undefined) continue;
    if (to - from === 1) {
      refused.push({ index: from, reason: refusal.reason });
      continue;
    }
    const middle = Math.floor((from + to) / 2);
    parts.push({ from: middle, to }, { from, to: middle });
  }
  return refused.length === 0 ? undefined : { refused };
}
