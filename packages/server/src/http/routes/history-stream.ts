// Owns: the operation that streams what a channel keeps, page by page.
import type { Outcome } from "@holdfast/contract";
import type { ChannelPage, HistoryReader } from "@holdfast/core";
import { z } from "zod";
import { problemOf } from "../answers.ts";
import { problemBody } from "../problem.ts";
import { done, fail, type StreamContext, streamRoute } from "../route.ts";
import { channelName, epoch, offset } from "../schemas.ts";
import type { StreamEvent } from "../stream/format.ts";
import { publicationOut, publicationShown } from "./publication.ts";

/** A page; a single publication may be larger. While one is read, the last one is in memory too. */
const PAGE = { limit: 500, bytesMax: 128 * 1024 };

interface Position {
  readonly epoch: string;
  readonly offset: number;
}

const gap = z.object({
  epoch,
  from: offset.optional().meta({
    description: "First offset that is missing. Absent: the stream began anew, in another epoch.",
  }),
  next: offset.meta({ description: "Offset from which it goes on." }),
});
const end = z.object({ epoch, head: offset });

export const historyStream = streamRoute({
  name: "history_stream",
  method: "GET",
  path: "/history/stream",
  scope: "history",
  summary: "Stream what a channel keeps, oldest first.",
  description:
    "For exports: the node reads page by page, as fast as the reader takes them. The last event is `end` when everything that is kept was sent, or `error`. " +
    "Without either the stream was cut. Go on with the last `id` as `after`, or in the header Last-Event-ID. Publications that are no longer kept are told as " +
    "`gap`, and so are those that are removed meanwhile. What is on its way to the reader then, 64 KiB and what the sockets hold, may still arrive.",
  input: z.strictObject({
    channel: channelName,
    after: z.string().min(1).max(300).optional().meta({
      description: "Sends what comes after this event: its `id`. Default: all that is kept.",
    }),
  }),
  events: { publication: publicationOut, gap, end },
  async open({ channel, after }, context) {
    const from = after === undefined ? undefined : positionOf(after);
    if (from === "invalid")
      return fail(
        "request_invalid",
        "Cannot begin behind `after`: found no id of an event, expected the `id` of one that was sent",
        "after",
      );
    const opened = await context.control.openHistory(channel);
    if (!opened.ok) return opened;
    const reader = opened.value;
    const first = await reader.read({ after: from?.offset ?? 0, ...PAGE });
    if (first.ok) context.signal.addEventListener("abort", () => reader.close());
    else reader.close();
    return first.ok ? done(pagesOf({ ...context, reader, from, first })) : first;
  },
});

const idOf = ({ epoch: life, offset: at }: Position): string => `${life}:${at}`;

function positionOf(id: string): Position | "invalid" {
  const found = /^([^\r\n]+):(\d{1,15})$/.exec(id);
  if (found?.[1] === undefined) return "invalid";
  return { epoch: found[1], offset: Number(found[2]) };
}

interface Reading extends Pick<StreamContext, "signal" | "requestId"> {
  readonly reader: HistoryReader;
  readonly from: Position | undefined;
  readonly first: Outcome<ChannelPage>;
}

/** One page in memory; the next one is read when this one was taken. */
async function* pagesOf({
  reader,
  signal,
  requestId,
  from,
  first,
}: Reading): AsyncGenerator<Iterable<StreamEvent>, undefined> {
  let position = from;
  let outcome = first;
  while (!signal.aborted) {
    if (!outcome.ok) {
      yield [{ event: "error", data: problemBody(problemOf(outcome), requestId) }];
      return undefined;
    }
    const page = outcome.value;
    if (position !== undefined && position.epoch !== page.epoch) {
      // Offsets of another epoch mean nothing: what was read is of no use.
      outcome = await reader.read({ after: 0, ...PAGE });
      position = undefined;
      if (outcome.ok) yield [{ event: "gap", data: anew(outcome.value) }];
      continue;
    }
    yield eventsOf(page, position, reader);
    const last = page.publications.at(-1)?.offset ?? page.head;
    position = { epoch: page.epoch, offset: last };
    if (isLast(page, last)) {
      yield [{ event: "end", id: idOf(position), data: { epoch: page.epoch, head: page.head } }];
      return undefined;
    }
    outcome = await reader.read({ after: last, ...PAGE });
  }
  return undefined;
}

const anew = (page: ChannelPage) => ({ epoch: page.epoch, next: nextOf(page) });

/** The offset of the page's first publication; behind the newest if it has none. */
const nextOf = ({ publications, head }: ChannelPage): number => publications[0]?.offset ?? head + 1;

/** A short page that ends before the head is followed by another one, but in `latest`. */
function isLast({ more, publications, deliveryClass, head }: ChannelPage, last: number): boolean {
  if (more) return false;
  return publications.length === 0 || deliveryClass === "latest" || last >= head;
}

/**
 * Rendered one by one: the text of a page is never in memory as a whole. What is removed before its
 * turn comes is left out.
 */
function* eventsOf(
  page: ChannelPage,
  position: Position | undefined,
  reader: Pick<HistoryReader, "removedTo">,
): Generator<StreamEvent> {
  const { epoch: life, publications, deliveryClass } = page;
  const next = nextOf(page);
  if (isGap(page, position))
    yield { event: "gap", data: { epoch: life, from: position.offset + 1, next } };
  let removedFrom: number | undefined;
  const removed = (from: number, to: number): StreamEvent => ({
    event: "gap",
    data: { epoch: life, from, next: to },
  });
  for (const one of publications) {
    if (one.offset <= reader.removedTo(life)) {
      removedFrom ??= one.offset;
      continue;
    }
    if (removedFrom !== undefined && deliveryClass !== "latest")
      yield removed(removedFrom, one.offset);
    removedFrom = undefined;
    yield {
      event: "publication",
      id: idOf({ epoch: life, offset: one.offset }),
      data: publicationShown(one),
    };
  }
  const last = publications.at(-1);
  if (removedFrom !== undefined && last !== undefined && deliveryClass !== "latest")
    yield removed(removedFrom, last.offset + 1);
}

/** Offsets of `latest` have holes by nature, and its newest are always kept. */
function isGap(page: ChannelPage, position: Position | undefined): position is Position {
  if (position === undefined || page.deliveryClass === "latest") return false;
  return nextOf(page) > position.offset + 1;
}
