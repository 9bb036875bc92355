// Owns: a client's request for a page of history.

import type { ChannelRules } from "@holdfast/contract";
import { HISTORY_PAGE_MAX } from "@holdfast/protocol";
import type { Broker, HistoryPage } from "../ports.ts";
import type { Connection } from "../session/connection.ts";
import type { FrameOf } from "../session/frames.ts";
import { type PermitNeeds, permit } from "../session/permission.ts";
import { Refused } from "../session/refusal.ts";
import { pubEntry } from "./pub-entry.ts";

const PAGE_DEFAULT = 50;

/** What reading history for a client needs of the node. */
export interface HistoryNeeds extends PermitNeeds {
  readonly broker: Pick<Broker, "history">;
  readonly hubs: { get(channel: string): KnownRemovals | undefined };
}

/** What a hub knows of removals. */
export interface KnownRemovals {
  removedTo(epoch: string): number;
}

/** The page without what was removed while it was on its way, as far as this node has heard. */
export function withoutRemoved<P extends HistoryPage>(
  page: P,
  known: KnownRemovals | undefined,
): P {
  const to = known?.removedTo(page.epoch) ?? 0;
  if (to < page.oldest) return page;
  const publications = page.publications.filter(({ offset }) => offset > to);
  return { ...page, oldest: to + 1, publications };
}

interface HistoryCall {
  readonly connection: Connection;
  readonly frame: FrameOf<"history">;
  readonly rules: ChannelRules;
}

export function readHistory(
  parts: HistoryNeeds,
  { connection, frame, rules }: HistoryCall,
): Promise<void> | void {
  if (rules.stream.sizeMax === 0)
    throw new Refused(
      "history_disabled",
      `Cannot read history of "${frame.ch}": the channel keeps none`,
    );
  return permit(parts, { connection, action: "history", rules }, async () => {
    // Counted before it is made: the next request waits until this answer is on its way.
    const bytesMax = answerBytesMax(parts);
    const room = connection.keepRoom(bytesMax);
    const release = typeof room === "function" ? room : await room;
    try {
      if (connection.phase === "ended") return;
      const read = await parts.broker.history(rules.channel, rules.stream, {
        limit: Math.min(frame.limit ?? PAGE_DEFAULT, HISTORY_PAGE_MAX),
        bytesMax,
        ...(frame.before === undefined ? {} : { before: frame.before }),
      });
      const page = withoutRemoved(read, parts.hubs.get(rules.channel));
      connection.send({
        t: "history",
        id: frame.id,
        ch: frame.ch,
        e: page.epoch,
        pubs: page.publications.map(pubEntry),
        more: page.more,
      });
    } finally {
      release();
    }
  });
}

/**
 * An answer must not fill the connection's queue, or the node would close a healthy client as slow.
 */
function answerBytesMax(parts: HistoryNeeds): number {
  const { limits, flow } = parts.settings();
  return Math.min(limits.messageBytesMax, flow.queueBytesMax / 4);
}
