// Owns: what clients of this node felt, in connection-minutes. Versions of an application are
// compared by it.
import type { Clock } from "../ports.ts";

/** Since the node started. */
export interface FeltFigures {
  /** Minutes that connections with a session have lived, added up. */
  readonly connectionMinutes: number;
  /** Sessions that came back, or moved here, and those of them that were not accepted. */
  readonly resumes: number;
  readonly resumesFailed: number;
  /** Connection-minutes with a gap, with something late, or cut short by an abnormal end. */
  readonly lost: number;
  readonly slow: number;
  readonly closedAbnormally: number;
}

/** What is kept of a connection: the last minute in which something was bad, and what. */
export interface FeltMark {
  readonly openedMs: number;
  felt: number;
}

const MINUTE_MS = 60_000;
const LOST = 1;
const SLOW = 2;
/** Refused resume tokens of one address, and addresses, that count in one minute. */
const FAILED_MAX = 16;
const PARTIES_MAX = 2048;
/** Tokens end in a signature: so many characters tell them apart. */
const TOKEN_TAIL = 16;
/** Values of the mark in one minute. */
const BITS = 4;

/**
 * Counts a connection-minute once for each signal, however much happened in it. Minutes begin with
 * each connection, so there is no timer: something bad is compared with the connection's mark, and
 * the minutes are a sum of times.
 */
export class Felt {
  readonly #clock: Pick<Clock, "nowMs">;
  /** Of connections that are open: how many, and the sum of when they began. */
  #open = 0;
  #beganMs = 0;
  #endedMs = 0;
  #resumes = 0;
  #resumesFailed = 0;
  /** Ends of tokens that were refused in this minute, by who showed them. */
  readonly #failed = new Map<string, Set<string>>();
  #failedMinute = 0;
  #lost = 0;
  #slow = 0;
  #closedAbnormally = 0;

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
  }

  figures(): FeltFigures {
    const openMs = this.#open * this.#clock.nowMs() - this.#beganMs;
    return {
      connectionMinutes: Math.max(0, openMs + this.#endedMs) / MINUTE_MS,
      resumes: this.#resumes,
      resumesFailed: this.#resumesFailed,
      lost: this.#lost,
      slow: this.#slow,
      closedAbnormally: this.#closedAbnormally,
    };
  }

  /** The connection has a session from now on. */
  began({ openedMs }: FeltMark): void {
    this.#open += 1;
    this.#beganMs += openedMs;
  }

  /** Such a connection ended. */
  ended({ openedMs }: FeltMark, isAbnormal: boolean): void {
    this.#open -= 1;
    this.#beganMs -= openedMs;
    this.#endedMs += this.#clock.nowMs() - openedMs;
    if (isAbnormal) this.#closedAbnormally += 1;
  }

  resumed(): void {
    this.#resumes += 1;
  }

  /**
   * A resume token was not accepted. A client that tries again and again counts once a minute, and
   * an address at most `FAILED_MAX` times: nobody alone makes a version look bad.
   */
  resumeFailed(party: string, token: string): void {
    const minute = Math.floor(this.#clock.nowMs() / MINUTE_MS);
    if (minute !== this.#failedMinute) {
      this.#failedMinute = minute;
      this.#failed.clear();
    }
    const known = this.#failed.get(party) ?? new Set();
    const tail = token.slice(-TOKEN_TAIL);
    if (known.has(tail) || known.size >= FAILED_MAX) return;
    if (!this.#failed.has(party) && this.#failed.size >= PARTIES_MAX) return;
    this.#failed.set(party, known.add(tail));
    this.#resumes += 1;
    this.#resumesFailed += 1;
  }

  /** It was given a gap. Consumers on the node itself have no mark. */
  lost(of: Partial<FeltMark>): void {
    if (this.#isFirst(of, LOST)) this.#lost += 1;
  }

  /** A delivery or an answer was late for it. */
  slow(of: Partial<FeltMark>): void {
    if (this.#isFirst(of, SLOW)) this.#slow += 1;
  }

  #isFirst(of: Partial<FeltMark>, bit: number): boolean {
    const { openedMs, felt } = of;
    if (openedMs === undefined || felt === undefined) return false;
    const minute = BITS * Math.max(0, Math.floor((this.#clock.nowMs() - openedMs) / MINUTE_MS));
    const mark = Math.max(felt, minute);
    if ((mark & bit) !== 0) return false;
    of.felt = mark | bit;
    return true;
  }
}
