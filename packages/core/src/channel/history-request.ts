// Owns: a client's request for a page of history.

import type { ChannelRules } from "@holdfast/contract";
import { HISTORY_PAGE_MAX, type Publication, payloadBytes } from "@holdfast/protocol";
import type { Broker, HistoryPage } from "../ports.ts";
import type { Connection } from "../session/connection.ts";
import type { FrameOf } from "../session/frames.ts";
import { type PermitNeeds, permit } from "../session/permission.ts";
import { Refused } from "../session/refusal.ts";
import { pubEntry } from "./pub-entry.ts";

const PAGE_DEFAULT = 50;
/** Publications of the first read; each further one takes twice as many. */
const FIRST_PART = 64;
/** What a publication adds to a frame besides its data, roughly. */
const ENTRY_BYTES = 96;

/** What reading history for a client needs of the node. */
export interface HistoryNeeds extends PermitNeeds {
  readonly broker: Pick<Broker, "history">;
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
    const limit = Math.min(frame.limit ?? PAGE_DEFAULT, HISTORY_PAGE_MAX);
    const page = await readBackwards(parts, rules, { limit, before: frame.before });
    const fit = newestThatFit(page.publications, answerBytesMax(parts));
    const first = fit[0]?.offset ?? page.head + 1;
    const more = fit.length < page.publications.length || (fit.length > 0 && page.oldest < first);
    connection.send({
      t: "history",
      id: frame.id,
      ch: frame.ch,
      e: page.epoch,
      pubs: fit.map(pubEntry),
      more,
    });
  });
}

/**
 * Reads in parts until the answer is full: a request for a thousand large publications must not
 * fetch all of them to answer with ten.
 */
async function readBackwards(
  parts: HistoryNeeds,
  { channel, stream }: ChannelRules,
  { limit, before }: { readonly limit: number; readonly before: number | undefined },
): Promise<HistoryPage> {
  const read = (count: number, below: number | undefined): Promise<HistoryPage> =>
    parts.broker.history(channel, stream, {
      limit: count,
      ...(below === undefined ? {} : { before: below }),
    });
  let count = Math.min(limit, FIRST_PART);
  let page = await read(count, before);
  let bytes = bytesOf(page.publications);
  for (let part = page; part.publications.length === count && page.publications.length < limit; ) {
    const first = page.publications[0]?.offset ?? 0;
    if (first <= page.oldest || bytes >= answerBytesMax(parts)) break;
    count = Math.min(limit - page.publications.length, count * 2);
    part = await read(count, first);
    // Another life of the stream: what was read of this one is the answer.
    if (part.epoch !== page.epoch) break;
    bytes += bytesOf(part.publications);
    page = {
      ...page,
      oldest: part.oldest,
      publications: [...part.publications, ...page.publications],
    };
  }
  return page;
}

const bytesOf = (publications: readonly Publication[]): number =>
  publications.reduce((sum, { payload }) => sum + payloadBytes(payload) + ENTRY_BYTES, 0);

/** An answer must not fill the connection's queue: a healthy client would be cut as slow. */
function answerBytesMax(parts: HistoryNeeds): number {
  const { limits, flow } = parts.settings();
  return Math.min(limits.messageBytesMax, flow.queueBytesMax / 4);
}

/** The newest that fit a message, at least one; the client asks again for what is before. */
function newestThatFit(
  publications: readonly Publication[],
  bytesMax: number,
): readonly Publication[] {
  let bytes = 0;
  let from = publications.length;
  while (from > 0) {
    bytes += payloadBytes((publications[from - 1] as Publication).payload) + ENTRY_BYTES;
    if (bytes > bytesMax && from < publications.length) break;
    from -= 1;
  }
  return publications.slice(from);
}
