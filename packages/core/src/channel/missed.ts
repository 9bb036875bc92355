// Owns: what a session that may not read history gets of what it missed: what was published since
// it has been allowed to subscribe, and a declared gap for the rest (H5 before H1).
import type { Position } from "@holdfast/protocol";
import { findStart, type Start, startWithoutHistory } from "./catch-up.ts";
import { olderThan } from "./ring.ts";
import type { SubscribedHub } from "./subscription.ts";

/** What keeps a recovery from older publications. */
export interface RecoveryBounds {
  /** Only publications of a later time are given. In ms; Infinity: none is. */
  readonly afterMs: number;
  readonly nowMs: number;
}

/** A start, and how many bytes were read for it that the client does not get. */
export interface BoundedStart extends Start {
  readonly withheldBytes?: number;
}

/**
 * Finds where a subscription begins that goes on from a position without the right to read history.
 * Reads nothing if nothing can be given. Rejects with BrokerError.
 */
export function startInMissed(
  hub: SubscribedHub,
  pos: Position,
  bounds: RecoveryBounds,
): BoundedStart | Promise<BoundedStart> {
  const { afterMs, nowMs } = bounds;
  const newest = hub.ring.newest;
  const isAllOlder = newest !== undefined && newest.publication.timeMs <= afterMs;
  // The clocks' tolerance is in `afterMs`: nothing was published at a time that is still to come.
  if (afterMs >= nowMs || isAllOlder) return startWithoutHistory(hub, pos);
  const found = findStart(hub, { pos });
  return found instanceof Promise
    ? found.then((start) => bounded(hub, pos, { start, afterMs }))
    : bounded(hub, pos, { start: found, afterMs });
}

/** The start behind the last publication that is too old, as far as it is known by now. */
function bounded(
  hub: SubscribedHub,
  pos: Position,
  { start, afterMs }: { readonly start: Start; readonly afterMs: number },
): BoundedStart {
  const known = start.page?.entries ?? hub.ring.after(start.cursor, Number.POSITIVE_INFINITY);
  const entries = known.filter(({ publication: { offset } }) => offset <= hub.passed);
  const cursor = entries[olderThan(entries, afterMs) - 1]?.publication.offset ?? 0;
  if (cursor <= start.cursor) return start;
  const reason = start.gap?.reason ?? "history";
  const to = reason === "epoch" ? null : cursor;
  const withheld = start.page === undefined ? [] : entries;
  const isRead = entries.at(-1)?.publication.offset === cursor;
  return {
    ...start,
    // A page without anything newer says nothing of what follows: it is read on.
    page: isRead ? undefined : start.page,
    cursor,
    recovered: false,
    gap: hub.gapFrame(pos.offset + 1, to, reason, cursor),
    withheldBytes: withheld
      .filter(({ publication: { offset } }) => offset <= cursor)
      .reduce((sum, { size }) => sum + size, 0),
  };
}
