// Owns: a client's request for a page of history.
import { HISTORY_PAGE_MAX, type PubEntry, type Publication, payloadBytes } from "@holdfast/protocol";
import type { ChannelRules } from "../contract/compiled.ts";
import type { Connection } from "./connection.ts";
import type { NodeParts } from "./parts.ts";
import { permit } from "./permission.ts";
import { Refused } from "./refusal.ts";
import type { FrameOf } from "./requests.ts";

const PAGE_DEFAULT = 50;
/** What a publication adds to a frame besides its data, roughly. */
const ENTRY_BYTES = 96;

interface HistoryCall {
  readonly connection: Connection;
  readonly frame: FrameOf<"history">;
  readonly rules: ChannelRules;
}

export function readHistory(parts: NodeParts, { connection, frame, rules }: HistoryCall): Promise<void> | void {
  if (rules.stream.sizeMax === 0) throw new Refused("history_disabled", `Cannot read history of "${frame.ch}": the channel keeps none`);
  return permit(parts, { connection, action: "history", rules }, async () => {
    const limit = Math.min(frame.limit ?? PAGE_DEFAULT, HISTORY_PAGE_MAX);
    const page = await parts.broker.history(rules.channel, rules.stream, {
      limit,
      ...(frame.before === undefined ? {} : { before: frame.before }),
    });
    const fit = newestThatFit(page.publications, answerBytesMax(parts));
    const first = fit[0]?.offset ?? page.head + 1;
    const more = fit.length < page.publications.length || (fit.length > 0 && page.oldest < first);
    connection.send({ t: "history", id: frame.id, ch: frame.ch, e: page.epoch, pubs: fit.map(pubEntry), more });
  });
}

/** An answer must not fill the connection's queue: a healthy client would be cut as slow. */
function answerBytesMax(parts: NodeParts): number {
  const { limits, flow } = parts.settings();
  return Math.min(limits.messageBytesMax, flow.queueBytesMax / 4);
}

/** The newest that fit a message, at least one; the client asks again for what is before. */
function newestThatFit(publications: readonly Publication[], bytesMax: number): readonly Publication[] {
  let bytes = 0;
  let from = publications.length;
  while (from > 0) {
    bytes += payloadBytes((publications[from - 1] as Publication).payload) + ENTRY_BYTES;
    if (bytes > bytesMax && from < publications.length) break;
    from -= 1;
  }
  return publications.slice(from);
}

function pubEntry(p: Publication): PubEntry {
  return {
    o: p.offset,
    ts: p.timeMs,
    ...(p.key === undefined ? {} : { k: p.key }),
    ...(p.user === undefined ? {} : { u: p.user }),
    ...(p.session === undefined ? {} : { s: p.session }),
    data: p.payload,
  };
}
