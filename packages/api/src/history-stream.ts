// Owns: everything that a channel keeps, publication by publication, over as many streams as it
// takes.
import { HoldfastApiError } from "./api-error.ts";
import type { Caller } from "./caller.ts";
import { dataOf } from "./data.ts";
import { PASSING_CODES } from "./operations.ts";
import type { StreamedPublication } from "./types.ts";

/** For one iteration over a channel's history. */
export interface HistoryStreamOptions {
  /** Begins behind the publication with this `id`. Default: with the oldest that is kept. */
  readonly after?: string;
  readonly signal?: AbortSignal;
  /**
   * Told of publications that are no longer kept, before what comes behind them. Absent: the
   * iteration throws `history_gap`.
   */
  readonly onGap?: (gap: HistoryGap) => void;
}

/** Publications that a stream of history cannot send, because they are no longer kept. */
export interface HistoryGap {
  readonly epoch: string;
  /** First offset that is missing. Absent: the stream began anew, in another epoch. */
  readonly from?: number;
  /** Offset from which it goes on. */
  readonly next: number;
}

/** Times in a row that a stream may break without a publication in between. */
const BREAKS_MAX = 8;

export async function* historyStream<T>(
  caller: Caller,
  channel: string,
  { after: first, signal, onGap }: HistoryStreamOptions,
): AsyncGenerator<StreamedPublication<T>, undefined> {
  let after = first;
  let breaks = 0;
  for (;;) {
    try {
      const input = { channel, ...(after === undefined ? {} : { after }) };
      for await (const { event, id, data } of caller.stream("history_stream", input, signal)) {
        if (event === "end") return undefined;
        if (event === "gap") {
          if (onGap === undefined) throw gapError(channel, data as HistoryGap);
          onGap(data as HistoryGap);
        }
        if (event !== "publication" || id === undefined) continue;
        after = id;
        breaks = 0;
        yield publicationOf<T>(id, data as Received);
      }
    } catch (error) {
      breaks += 1;
      if (!(error instanceof HoldfastApiError) || !mayPass(error) || breaks > BREAKS_MAX)
        throw error;
      await caller.wait(breaks, error, signal);
    }
  }
}

interface Received {
  readonly offset: number;
  readonly timeMs: number;
  readonly key?: string;
  readonly user?: string;
  readonly session?: string;
  readonly data?: unknown;
  readonly b?: string;
  readonly msgpack?: string;
}

function publicationOf<T>(id: string, received: Received): StreamedPublication<T> {
  const { data, b, msgpack, ...rest } = received;
  const members = {
    data,
    ...(b === undefined ? {} : { b }),
    ...(msgpack === undefined ? {} : { msgpack }),
  };
  return { ...rest, id, data: dataOf(members) as T };
}

const PASSING_STATUSES = new Set([408, 429, 502, 503, 504]);
const BROKEN = new Set(["unreachable", "timeout"]);

const mayPass = ({ code, status }: HoldfastApiError): boolean =>
  BROKEN.has(code) ||
  PASSING_CODES.has(code) ||
  (code === "answer_invalid" && status !== undefined && PASSING_STATUSES.has(status));

const gapError = (channel: string, { from, next }: HistoryGap): HoldfastApiError =>
  new HoldfastApiError(
    "history_gap",
    `Cannot read the history of "${channel}" without a gap: found ${
      from === undefined ? "another epoch" : `nothing from offset ${from}`
    } to before ${next}, expected what was not yet read (onGap takes it)`,
  );
