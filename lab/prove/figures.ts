// Owns: the figures of one load process in one step, and how those of several are merged.
import { build, decodeFromCompressedBase64, type Histogram } from "hdr-histogram-js";
import { sumVerdicts, type Verdict } from "./oracle.ts";

/** Length of a place of the timeline. */
export const BUCKET_MS = 250;

export interface Moment {
  readonly delivered: number;
  /** Longest delay, in ms, of what arrived in this place. */
  readonly delayMaxMs: number;
}

/** What one worker hands over for one step. Times since the step's beginning, in ms. */
export interface ShareOfStep {
  readonly verdict: Verdict;
  /**
   * HDR histograms, compressed, base64: every delivery's delay from the intended time of its
   * publish; the same from the broker's taking it; each client's longest of both.
   */
  readonly delays: string;
  readonly transits: string;
  readonly longest: string;
  readonly longestTransit: string;
  /**
   * The same as `longest` for clients beyond the workload's, such as the one with the bad network.
   */
  readonly longestOfExtras: string;
  /** Around each move: of the client that moved, and of one that stayed. */
  readonly pauseOfMoved: string;
  readonly pauseOfStayed: string;
  readonly attemptsAtMs: readonly number[];
  readonly reconnects: number;
  readonly moves: number;
  /** Most moves of one client. */
  readonly movesMax: number;
  /** Clients of the workload that moved just once. */
  readonly movedOnce: number;
  /** Sockets that a node closed because it could not take them then. */
  readonly refusals: number;
  readonly visibleDisconnects: number;
  readonly extraDisconnects: number;
  /** Holes that client libraries found by themselves and that no gap declared. */
  readonly undeclaredByClients: number;
  /** Members that watchers saw leave although they never did: `room member`. */
  readonly flickers: readonly string[];
  readonly subscriptionsFailed: readonly string[];
  /** By place of the timeline; the key is its number. */
  readonly timeline: Readonly<Record<number, Moment>>;
}

export interface Quantiles {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Delays of up to ten minutes, to three digits. */
export const newHistogram = (): Histogram =>
  build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 600_000,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
  });

export const record = (histogram: Histogram, ms: number): void =>
  histogram.recordValue(Math.min(600_000, Math.max(0, Math.round(ms))));

export function quantilesOf(histograms: readonly string[]): Quantiles {
  const all = newHistogram();
  for (const one of histograms) all.add(decodeFromCompressedBase64(one, 32, false));
  const count = all.totalCount;
  if (count === 0) return { count, p50Ms: 0, p99Ms: 0, maxMs: 0 };
  return {
    count,
    p50Ms: all.getValueAtPercentile(50),
    p99Ms: all.getValueAtPercentile(99),
    maxMs: all.maxValue,
  };
}

export interface StepFigures
  extends Omit<
    ShareOfStep,
    | "delays"
    | "transits"
    | "longest"
    | "longestTransit"
    | "longestOfExtras"
    | "pauseOfMoved"
    | "pauseOfStayed"
  > {
  readonly delays: Quantiles;
  readonly transits: Quantiles;
  readonly longest: Quantiles;
  readonly longestTransit: Quantiles;
  readonly longestOfExtras: Quantiles;
  readonly pauseOfMoved: Quantiles;
  readonly pauseOfStayed: Quantiles;
}

export function mergeShares(shares: readonly ShareOfStep[]): StepFigures {
  const sum = (pick: (share: ShareOfStep) => number) =>
    shares.reduce((total, share) => total + pick(share), 0);
  const timeline: Record<number, Moment> = {};
  for (const share of shares)
    for (const [place, { delivered, delayMaxMs }] of Object.entries(share.timeline)) {
      const other = timeline[Number(place)] ?? { delivered: 0, delayMaxMs: 0 };
      timeline[Number(place)] = {
        delivered: other.delivered + delivered,
        delayMaxMs: Math.max(other.delayMaxMs, delayMaxMs),
      };
    }
  return {
    verdict: sumVerdicts(shares.map(({ verdict }) => verdict)),
    delays: quantilesOf(shares.map(({ delays }) => delays)),
    transits: quantilesOf(shares.map(({ transits }) => transits)),
    longest: quantilesOf(shares.map(({ longest }) => longest)),
    longestTransit: quantilesOf(shares.map(({ longestTransit }) => longestTransit)),
    longestOfExtras: quantilesOf(shares.map(({ longestOfExtras }) => longestOfExtras)),
    pauseOfMoved: quantilesOf(shares.map(({ pauseOfMoved }) => pauseOfMoved)),
    pauseOfStayed: quantilesOf(shares.map(({ pauseOfStayed }) => pauseOfStayed)),
    attemptsAtMs: shares.flatMap(({ attemptsAtMs }) => attemptsAtMs).sort((a, b) => a - b),
    reconnects: sum(({ reconnects }) => reconnects),
    moves: sum(({ moves }) => moves),
    movesMax: Math.max(0, ...shares.map(({ movesMax }) => movesMax)),
    movedOnce: sum(({ movedOnce }) => movedOnce),
    refusals: sum(({ refusals }) => refusals),
    visibleDisconnects: sum(({ visibleDisconnects }) => visibleDisconnects),
    extraDisconnects: sum(({ extraDisconnects }) => extraDisconnects),
    undeclaredByClients: sum(({ undeclaredByClients }) => undeclaredByClients),
    flickers: [...new Set(shares.flatMap(({ flickers }) => flickers))],
    subscriptionsFailed: shares.flatMap(({ subscriptionsFailed }) => subscriptionsFailed),
    timeline,
  };
}

/** Most events in any `windowMs`; `atMs` in order. */
export function peakIn(atMs: readonly number[], windowMs: number): number {
  let peak = 0;
  let from = 0;
  for (let to = 0; to < atMs.length; to++) {
    while ((atMs[to] ?? 0) - (atMs[from] ?? 0) >= windowMs) from++;
    peak = Math.max(peak, to - from + 1);
  }
  return peak;
}
