// Owns: one step's row, made from what every process measured.
import { BUCKET_MS, mergeShares, peakIn, type ShareOfStep } from "./figures.ts";
import type { ConnectionSample, Forwarded } from "./network.ts";
import type { Published } from "./publication.ts";
import { failuresOf, type StepChart, type StepResult } from "./result.ts";
import type { Step } from "./steps/step.ts";

export interface Measured {
  readonly step: Pick<Step, "name" | "title" | "isDrain" | "mayLoseData" | "timeLimitMs">;
  readonly stepMs: number;
  readonly doneMs: number;
  readonly published: readonly Published[];
  readonly shares: readonly ShareOfStep[];
  readonly forwarded: readonly Forwarded[];
  readonly samples: readonly ConnectionSample[];
  readonly told: {
    readonly marks: StepChart["marks"];
    readonly notes: readonly string[];
    readonly failures: readonly string[];
    readonly backMs?: number;
  };
  /** Lines of nodes' logs that say that something must not happen. */
  readonly bugs: readonly string[];
}

const SECOND_MS = 1000;

export function resultOfStep({
  step,
  stepMs,
  doneMs,
  published,
  shares,
  forwarded,
  samples,
  told,
  bugs,
}: Measured): StepResult {
  const {
    verdict,
    attemptsAtMs,
    timeline,
    flickers,
    subscriptionsFailed,
    undeclaredByClients,
    ...figures
  } = mergeShares(shares);
  const outcomes = (kind: Published["outcome"]["kind"]) =>
    published.filter(({ outcome }) => outcome.kind === kind).length;
  const { name, title, isDrain, mayLoseData, timeLimitMs } = step;
  const {
    delays,
    transits,
    longest,
    longestTransit,
    longestOfExtras,
    pauseOfMoved,
    pauseOfStayed,
    visibleDisconnects,
    extraDisconnects,
    reconnects,
    moves,
    movesMax,
    movedOnce,
    refusals,
  } = figures;
  const row = {
    name,
    title,
    isDrain,
    mayLoseData,
    timeLimitMs,
    doneMs,
    published: {
      acknowledged: outcomes("acknowledged"),
      unknown: outcomes("unknown"),
      refused: outcomes("refused"),
    },
    delivered: verdict.delivered,
    violations: {
      ...verdict.violations,
      undeclared: verdict.violations.undeclared + undeclaredByClients,
    },
    gaps: verdict.gaps,
    declared: verdict.declared,
    visibleDisconnects,
    flickers: flickers.length,
    longest,
    longestTransit,
    longestOfExtras,
    pauseOfMoved,
    pauseOfStayed,
    extraDisconnects,
    delays,
    transits,
    attempts: attemptsAtMs.length,
    reconnects,
    moves,
    movesMax,
    movedOnce,
    refusals,
    ...peaks(forwarded),
  };
  const failed = subscriptionsFailed.map((text) => `a subscription ended: ${text}`);
  return {
    ...row,
    ...(told.backMs === undefined ? {} : { backMs: told.backMs }),
    notes: [...told.notes, ...verdict.samples, ...bugs.map((line) => `logged as a bug: ${line}`)],
    failures: [...failuresOf(row), ...told.failures, ...failed],
    chart: chartOf(stepMs, { timeline, forwarded, samples, marks: told.marks }),
  };
}

/** Most connections handed over in any second, to the node that got most and to all. */
function peaks(forwarded: readonly Forwarded[]): {
  readonly peakOfNode: number;
  readonly peakOfAll: number;
} {
  const times = (some: readonly Forwarded[]) => some.map(({ atMs }) => atMs);
  const nodes = new Set(forwarded.map(({ node }) => node));
  const each = [...nodes].map((id) =>
    peakIn(times(forwarded.filter(({ node }) => node === id)), SECOND_MS),
  );
  return { peakOfNode: Math.max(0, ...each), peakOfAll: peakIn(times(forwarded), SECOND_MS) };
}

function chartOf(
  stepMs: number,
  parts: Pick<Measured, "forwarded" | "samples"> & {
    readonly timeline: ShareOfStep["timeline"];
    readonly marks: StepChart["marks"];
  },
): StepChart {
  const counts = new Map<number, number>();
  for (const { atMs } of parts.forwarded) {
    const place = Math.floor((atMs - stepMs) / BUCKET_MS);
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  const byPlace = (a: { readonly place: number }, b: { readonly place: number }) =>
    a.place - b.place;
  return {
    bucketMs: BUCKET_MS,
    moments: Object.entries(parts.timeline)
      .map(([place, moment]) => ({ place: Number(place), ...moment }))
      .sort(byPlace),
    handshakes: [...counts].map(([place, count]) => ({ place, count })).sort(byPlace),
    connections: parts.samples.map(({ atMs, connections }) => ({
      atMs: atMs - stepMs,
      connections,
    })),
    marks: parts.marks,
  };
}
