// Owns: what this window measured of one replacement, and how it says so.
import { milliseconds } from "./card.ts";
import type { SocketWatch } from "./socket-watch.ts";

/** So long before it the usual gap is looked for. */
const USUAL_MS = 10_000;
/** So long after it sockets are still watched, and longer if some are not back. */
const SETTLE_MS = 1500;
const SETTLE_MS_MAX = 15_000;
/** A socket that had no frame for so long is not back. */
const QUIET_MS = 300;

export interface Figures {
  readonly closes: number;
  readonly gapMs: number;
  readonly usualMs: number;
}

export class Replacement {
  readonly #beganMs: number;
  /** What came before it is not usual. */
  readonly #usualFromMs: number;
  #endedMs: number | undefined;

  /**
   * `calmMs`: when all was well last. Servers that are killed are gone before anybody says so.
   * `lastOverMs`: when the replacement before it was over.
   */
  constructor(calmMs: number, lastOverMs: number) {
    this.#beganMs = calmMs;
    this.#usualFromMs = Math.max(lastOverMs, this.#beganMs - USUAL_MS);
  }

  /** The servers are replaced. */
  ended(atMs: number): void {
    this.#endedMs ??= atMs;
  }

  isOver(all: readonly SocketWatch[], nowMs: number): boolean {
    const sinceMs = nowMs - (this.#endedMs ?? nowMs);
    return sinceMs > SETTLE_MS_MAX || (sinceMs > SETTLE_MS && areWell(all, nowMs));
  }

  figuresOf(watches: readonly SocketWatch[], nowMs: number): Figures {
    const longest = (fromMs: number, toMs: number): number =>
      Math.max(0, ...watches.map((watch) => watch.longestGapMs(fromMs, toMs)));
    return {
      closes: watches.reduce((count, watch) => count + watch.closesSince(this.#beganMs), 0),
      gapMs: longest(this.#beganMs, nowMs),
      usualMs: longest(this.#usualFromMs, this.#beganMs),
    };
  }
}

/** All have had a frame just now. */
export const areWell = (all: readonly SocketWatch[], nowMs: number): boolean =>
  all.every(({ isOpen, ticks }) => isOpen && nowMs - (ticks.at(-1)?.atMs ?? 0) < QUIET_MS);

/** One line of the verdict. */
export function verdictLine(where: string, { closes, gapMs, usualMs }: Figures): HTMLElement {
  const line = document.createElement("p");
  line.className = "headline";
  line.dataset.good = String(closes === 0);
  const count = document.createElement("b");
  count.textContent = closes === 0 ? "nobody was disconnected" : closesText(closes);
  const gap = document.createElement("b");
  gap.className = "pause";
  gap.textContent = milliseconds(gapMs);
  const usual = ` (${milliseconds(usualMs)} before it).`;
  line.append(`${where} `, count, ". The longest time without a frame was ", gap, usual);
  return line;
}

const closesText = (closes: number): string =>
  `${closes} ${closes === 1 ? "socket was" : "sockets were"} closed`;
