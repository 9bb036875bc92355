// Owns: what a window saw of one restart, of its node or of all: a pure reduction of events to a
// report.
import type { Beat, Heartbeats, Tally } from "./heartbeats.ts";

/**
 * The picture, and the count of missing and double heartbeats, begin this long before the restart
 * was asked for (or noticed).
 */
export const LEAD_MS = 1_000;
/**
 * The pause is measured from the time of asking until this long after the last move. If another
 * window asked, from `LEAD_MS` before the first move.
 */
export const SETTLE_MS = 2_500;
/**
 * Missing and double heartbeats, leaves and connection states are watched for this long after the
 * last move; a move within it belongs to the same restart.
 */
export const WATCH_MS = 20_000;
/** A restart that moved nothing after this long is reported as failed. */
export const MOVE_TIMEOUT_MS = 45_000;

/** Times are the window's monotonic clock, in ms. */
export type RestartWatch =
  | { readonly phase: "idle" }
  | {
      readonly phase: "asked";
      readonly askedAtMs: number;
      readonly fromNode: string;
      readonly left: readonly string[];
      readonly states: readonly string[];
    }
  | {
      readonly phase: "moved";
      readonly askedAtMs: number;
      readonly fromNode: string;
      /** Oldest first; at least one. While nodes roll, a window may have to move again. */
      readonly moves: Moves;
      readonly left: readonly string[];
      readonly states: readonly string[];
    }
  | { readonly phase: "failed"; readonly askedAtMs: number; readonly why: string };

/** One move of this window to another node. */
export interface Move {
  readonly atMs: number;
  readonly node: string;
}
type Moves = readonly [Move, ...Move[]];

export type RestartEvent =
  | { readonly kind: "asked"; readonly atMs: number; readonly node: string }
  | { readonly kind: "refused"; readonly atMs: number; readonly why: string }
  /** The node that this window's connection is on. */
  | { readonly kind: "node"; readonly atMs: number; readonly node: string }
  | { readonly kind: "state"; readonly atMs: number; readonly state: string }
  | { readonly kind: "left"; readonly atMs: number; readonly name: string }
  | { readonly kind: "time"; readonly atMs: number };

/** A list in a report keeps at most this many entries. */
const LIST_MAX = 20;

/**
 * The watch after an event. A move that nobody asked for in this window (another window did, or a
 * deploy) starts a watch as well.
 */
export function watchRestart(
  watch: RestartWatch,
  event: RestartEvent,
  lastNode: string,
): RestartWatch {
  switch (event.kind) {
    case "asked":
      return { phase: "asked", askedAtMs: event.atMs, fromNode: event.node, left: [], states: [] };
    case "refused":
      return watch.phase === "asked"
        ? { phase: "failed", askedAtMs: watch.askedAtMs, why: event.why }
        : watch;
    case "node":
      return moved(watch, event, lastNode);
    case "state":
      return isWatching(watch, event.atMs) && event.state !== "connected"
        ? { ...watch, states: append(watch.states, event.state) }
        : watch;
    case "left":
      return isWatching(watch, event.atMs)
        ? { ...watch, left: append(watch.left, event.name) }
        : watch;
    case "time":
      return watch.phase === "asked" && event.atMs - watch.askedAtMs > MOVE_TIMEOUT_MS
        ? {
            phase: "failed",
            askedAtMs: watch.askedAtMs,
            why: `This window was still on node ${watch.fromNode} after ${MOVE_TIMEOUT_MS / 1000} s.`,
          }
        : watch;
    default:
      return event satisfies never;
  }
}

function moved(watch: RestartWatch, event: Move, lastNode: string): RestartWatch {
  if (lastNode === "" || event.node === lastNode) return watch;
  const move = { atMs: event.atMs, node: event.node };
  if (watch.phase === "moved" && goesOn(watch, event.atMs))
    return { ...watch, moves: [...watch.moves, move] };
  const begun =
    watch.phase === "asked"
      ? {
          askedAtMs: watch.askedAtMs,
          fromNode: watch.fromNode,
          left: watch.left,
          states: watch.states,
        }
      : { askedAtMs: event.atMs, fromNode: lastNode, left: [], states: [] };
  return { phase: "moved", ...begun, moves: [move] };
}

/** Whether a further move belongs to the restart that is watched. */
function goesOn(watch: Moved, atMs: number): boolean {
  return (
    isWatching(watch, atMs) &&
    atMs - watch.askedAtMs <= MOVE_TIMEOUT_MS &&
    watch.moves.length < LIST_MAX
  );
}

type Moved = Extract<RestartWatch, { phase: "moved" }>;
type Watching = Extract<RestartWatch, { phase: "asked" | "moved" }>;

function isWatching(watch: RestartWatch, atMs: number): watch is Watching {
  return (
    watch.phase === "asked" || (watch.phase === "moved" && atMs - lastMove(watch).atMs <= WATCH_MS)
  );
}

function lastMove({ moves: [first, ...later] }: Moved): Move {
  return later.at(-1) ?? first;
}

function append(list: readonly string[], entry: string): readonly string[] {
  return list.length < LIST_MAX ? [...list, entry] : list;
}

/** What the page states about a restart that moved this window. */
export interface RestartReport {
  readonly fromNode: string;
  /**
   * The nodes to which it moved, in order; it stayed on the last. At least one. `afterMs` counts
   * from asking.
   */
  readonly moves: readonly { readonly node: string; readonly afterMs: number }[];
  /** False if another window asked, or nobody: then this window only noticed the move. */
  readonly askedHere: boolean;
  /** How long the window has been watched since the last move, at most `WATCH_MS`. */
  readonly watchedMs: number;
  readonly missing: number;
  readonly duplicated: number;
  readonly received: number;
  /** Longest interval between heartbeats around the move, less the normal interval. */
  readonly pauseMs: number;
  /** The same for the ten seconds before, to compare with. */
  readonly usualPauseMs: number;
  readonly left: readonly string[];
  /** Connection states other than connected, in order. */
  readonly states: readonly string[];
  readonly timeline: Timeline;
}

/** Ticks of the picture; times relative to when the restart was asked for. */
export interface Timeline {
  readonly fromMs: number;
  readonly toMs: number;
  readonly movesMs: readonly number[];
  readonly beats: readonly Beat[];
  readonly pauseFromMs: number;
  readonly pauseToMs: number;
}

/** The report so far, or undefined while nothing has moved. */
export function reportRestart(
  watch: RestartWatch,
  heartbeats: Pick<Heartbeats, "beats" | "tally">,
  now: { readonly nowMs: number; readonly intervalMs: number },
): RestartReport | undefined {
  if (watch.phase !== "moved") return undefined;
  const { askedAtMs, moves } = watch;
  const movedAtMs = lastMove(watch).atMs;
  const intervalMs = now.intervalMs;
  const pictureToMs = Math.min(now.nowMs, movedAtMs + SETTLE_MS);
  const askedHere = askedAtMs < moves[0].atMs;
  const around = heartbeats.tally({
    fromMs: askedHere ? askedAtMs : askedAtMs - LEAD_MS,
    toMs: pictureToMs,
    intervalMs,
  });
  const whole = heartbeats.tally({
    fromMs: askedAtMs - LEAD_MS,
    toMs: Math.min(now.nowMs, movedAtMs + WATCH_MS),
    intervalMs,
  });
  const usual = heartbeats.tally({
    fromMs: askedAtMs - LEAD_MS - 10_000,
    toMs: askedAtMs - LEAD_MS,
    intervalMs,
  });
  return {
    fromNode: watch.fromNode,
    moves: moves.map(({ node, atMs }) => ({ node, afterMs: atMs - askedAtMs })),
    askedHere,
    watchedMs: Math.min(now.nowMs - movedAtMs, WATCH_MS),
    missing: whole.missing,
    duplicated: whole.duplicated,
    received: whole.received,
    pauseMs: around.pauseMs,
    usualPauseMs: usual.pauseMs,
    left: watch.left,
    states: watch.states,
    timeline: picture(heartbeats.beats, watch, pictureToMs, around),
  };
}

function picture(
  beats: readonly Beat[],
  watch: Pick<Moved, "askedAtMs" | "moves">,
  toMs: number,
  around: Tally,
): Timeline {
  const fromMs = watch.askedAtMs - LEAD_MS;
  return {
    fromMs: fromMs - watch.askedAtMs,
    toMs: toMs - watch.askedAtMs,
    movesMs: watch.moves.map(({ atMs }) => atMs - watch.askedAtMs),
    beats: beats
      .filter((b) => b.atMs >= fromMs && b.atMs <= toMs)
      .map((b) => ({ ...b, atMs: b.atMs - watch.askedAtMs })),
    pauseFromMs: around.pauseFromMs - watch.askedAtMs,
    pauseToMs: around.pauseToMs - watch.askedAtMs,
  };
}
