// Owns: what a node has learned of the way that clients come: whether one that is sent away reaches
// another node.
import { TURNED_AWAY_MAX } from "./decisions.ts";

/** A client that is sent away and can only come back here has done so by then. */
const RETURN_MS = 1000;
/** Of clients that reach this node alone, so many are back within that time. */
const BACK_SHARE = 0.95;
/** The odds that clients reach one node alone: before anything is known, and their bounds. */
const ODDS_MIN = 0.02;
const ODDS_MAX = 50;
/** With such odds, a session counts as bound to this node. */
const ODDS_BOUND = 10;
/** Of the sessions that would be bound, so many are sent away all the same: balancers change. */
const PROBED_SHARE = 1 / 16;
/** Whoever is away for longer went elsewhere. */
const FORGOTTEN_MS = 10_000;
/** How long a session counts as bound. */
const BOUND_MS = 60 * 60_000;
/** Sessions remembered; the one that it was longest ago is forgotten first. */
const SESSIONS_MAX = 10_000;
/** Samples that wait for their outcome. Further ones are not taken. */
const SAMPLES_MAX = 1000;

interface Sample {
  readonly atMs: number;
  isBack: boolean;
}

interface Known {
  readonly times: number;
  readonly untilMs: number;
  readonly isBound: boolean;
  readonly sample: Sample | undefined;
}

/**
 * Some balancers bind a client to a node: by a hash of its address, by a cookie, or because they
 * send it to nodes of one machine only. Then it comes back however often it is sent away, and
 * nothing is gained by that. A node learns it from those that it sent away: behind a balancer that
 * chooses freely among n nodes one in n comes back, behind one that binds clients nearly all do.
 * Each outcome changes the odds of the second by its likelihood (a sequential test). A session is
 * **bound** if the odds, times n for each time that it came back itself, are high.
 *
 * Bounded: 10,000 sessions, each for an hour at most, and 1,000 samples.
 */
export class Reach {
  readonly #sessions = new Map<string, Known>();
  readonly #samples: Sample[] = [];
  #odds: number | undefined;

  /** The odds, 0.02 to 50, that clients reach one node alone. Undefined: nothing is known. */
  get odds(): number | undefined {
    return this.#odds;
  }

  /** What another node knows counts until this one knows something itself. */
  heard(odds: number | undefined): void {
    if (odds !== undefined && Number.isFinite(odds)) this.#odds ??= clamp(odds);
  }

  /** Counts the outcomes that are due. `nodes`: how many there are to choose from. */
  settle(nowMs: number, nodes: number): void {
    for (let first = this.#samples[0]; first !== undefined; first = this.#samples[0]) {
      if (nowMs - first.atMs < RETURN_MS) return;
      this.#samples.shift();
      if (nodes < 2) continue;
      const likelihood = first.isBack ? BACK_SHARE * nodes : (1 - BACK_SHARE) / (1 - 1 / nodes);
      this.#odds = clamp((this.#odds ?? ODDS_MIN) * likelihood);
    }
  }

  isBound(session: string, nowMs: number): boolean {
    return this.#known(session, nowMs)?.isBound ?? false;
  }

  /** It was asked to move, and this node has taken it in again. */
  bind(session: string, nowMs: number): void {
    this.#remember(session, {
      times: TURNED_AWAY_MAX,
      untilMs: nowMs + BOUND_MS,
      isBound: true,
      sample: undefined,
    });
  }

  /** A session came that was sent away before. */
  cameBack(session: string, nowMs: number): boolean {
    const known = this.#known(session, nowMs);
    if (known?.sample !== undefined) known.sample.isBack = true;
    return known !== undefined && known.times > 0 && !known.isBound;
  }

  /**
   * Whether it is worth it to send this session away, which is counted then. `chance` is uniform
   * in [0, 1).
   */
  sendsAway(session: string, at: { nowMs: number; nodes: number; chance: number }): boolean {
    const { nowMs, nodes, chance } = at;
    const known = this.#known(session, nowMs);
    if (known?.isBound === true) return false;
    const times = known?.times ?? 0;
    const odds = (this.#odds ?? ODDS_MIN) * nodes ** times;
    const isProbed = times === 0 && chance < PROBED_SHARE;
    if (times >= TURNED_AWAY_MAX || (odds >= ODDS_BOUND && !isProbed)) {
      this.bind(session, nowMs);
      return false;
    }
    const sample = this.#samples.length < SAMPLES_MAX ? { atMs: nowMs, isBack: false } : undefined;
    if (sample !== undefined) this.#samples.push(sample);
    this.#remember(session, {
      times: times + 1,
      untilMs: nowMs + FORGOTTEN_MS,
      isBound: false,
      sample,
    });
    return true;
  }

  #known(session: string, nowMs: number): Known | undefined {
    const known = this.#sessions.get(session);
    if (known === undefined || nowMs < known.untilMs) return known;
    this.#sessions.delete(session);
    return undefined;
  }

  #remember(session: string, known: Known): void {
    this.#sessions.delete(session);
    this.#sessions.set(session, known);
    if (this.#sessions.size > SESSIONS_MAX)
      for (const oldest of this.#sessions.keys()) return void this.#sessions.delete(oldest);
  }
}

const clamp = (odds: number): number => Math.min(ODDS_MAX, Math.max(ODDS_MIN, odds));
