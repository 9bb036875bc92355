// Owns: what the operator did in one step, as its set's status told it, and the figures of it.

/** The set at one moment. */
export interface SetSample {
  /** Since the step's beginning, in ms. */
  readonly atMs: number;
  /** Connections on each revision, by the status. */
  readonly connections: Readonly<Record<string, number>>;
  readonly pods: number;
  readonly ready: number;
  readonly desired: number;
  /** The operator has seen the newest spec. */
  readonly isSeen: boolean;
  readonly stable: string;
  readonly updated: string;
  /** The condition that is True, and what it waits for. */
  readonly condition: string;
  readonly message: string;
  /** Pods with many connections give some to others. */
  readonly evens?: true;
  readonly release?: {
    readonly to: string;
    readonly phase: string;
    readonly step: number;
    /** Of the connections, on the new revision. */
    readonly sharePercent: number;
    readonly verdict: string;
  };
}

/**
 * What a step must be judged by. `release`: everybody moves to a newer revision. `bad`: a revision
 * that must be rolled back. `spike`: many more clients than before.
 */
export type StepKind = "release" | "bad" | "spike" | "other";

export interface OperatorFigures {
  readonly kind: StepKind;
  readonly clients: number;
  /** Of the canary's step, for a bad one. */
  readonly sharePercentMax?: number;
  /** From the release's beginning until the operator turned back. */
  readonly verdictMs?: number;
  /** From there until nobody was on the bad revision. */
  readonly backMs?: number;
  /** Most people on the new revision at once, in percent. */
  readonly touchedPercent: number;
  /** From the moment at which more pods were needed until they were ordered; the longest. */
  readonly orderedMs?: number;
  /** Longest time that a drain may take. */
  readonly drainMs: number;
  /** Longest pause (p99 of clients) in the steps of the same run in which nobody moved. */
  readonly steadyPauseMs?: number;
  /** Why it turned back, as the record of the release says. */
  readonly because?: string;
  readonly samples: readonly SetSample[];
}

export interface FiguresOptions {
  readonly kind: StepKind;
  readonly clients: number;
  readonly sharePercentMax?: number;
  readonly drainMs: number;
  readonly steadyPauseMs?: number;
  readonly because?: string;
  /** Connections that a pod takes before another one is needed. */
  readonly perPod: number;
}

/** Figures of one step from its samples, oldest first. */
export function operatorFigures(
  samples: readonly SetSample[],
  { perPod, ...options }: FiguresOptions,
): OperatorFigures {
  const began = samples.find(({ release }) => release !== undefined);
  const turned = samples.find(({ release }) => release?.phase === "RollingBack");
  const back =
    turned && samples.find(({ atMs, release }) => atMs > turned.atMs && release === undefined);
  const touched = samples.map(({ release }) => release?.sharePercent ?? 0);
  const ordered = options.kind === "spike" ? orderedMs(samples, perPod) : undefined;
  return {
    ...options,
    ...(began && turned ? { verdictMs: turned.atMs - began.atMs } : {}),
    ...(turned && back ? { backMs: back.atMs - turned.atMs } : {}),
    ...(ordered === undefined ? {} : { orderedMs: ordered }),
    touchedPercent: Math.max(0, ...touched),
    samples,
  };
}

/** The longest time for which the people needed more pods than were ordered. */
function orderedMs(samples: readonly SetSample[], perPod: number): number {
  let longest = 0;
  let sinceMs: number | undefined;
  for (const { atMs, connections, desired } of samples) {
    const people = Object.values(connections).reduce((sum, count) => sum + count, 0);
    if (Math.ceil(people / perPod) <= desired) sinceMs = undefined;
    else {
      sinceMs ??= atMs;
      longest = Math.max(longest, atMs - sinceMs);
    }
  }
  return longest;
}
