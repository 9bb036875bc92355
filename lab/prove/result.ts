// Owns: the result of a proof as JSON, and which results count as failures.

import type { OperatorFigures } from "./cluster/operator-figures.ts";
import type { Moment, Quantiles } from "./figures.ts";
import type { ConnectionSample } from "./network.ts";
import type { Violation } from "./oracle.ts";

export interface StepResult {
  readonly name: string;
  readonly title: string;
  readonly isDrain: boolean;
  readonly mayLoseData: boolean;
  readonly timeLimitMs: number;
  /** From the step's first act until it was done and everyone was back. */
  readonly doneMs: number;
  /** If clients lost their connections: when the last one had another. */
  readonly backMs?: number;
  readonly published: {
    readonly acknowledged: number;
    readonly unknown: number;
    readonly refused: number;
    /** Of those acknowledged; absent if nobody publishes so beside the clients. */
    readonly overHttp?: number;
  };
  readonly delivered: number;
  readonly violations: Readonly<Record<Violation, number>>;
  /** Gaps that applications were told of, and the acknowledged publications inside them. */
  readonly gaps: number;
  readonly declared: number;
  readonly visibleDisconnects: number;
  readonly flickers: number;
  /**
   * Each client's longest delay of a publication, from the time for which its publish was intended.
   */
  readonly longest: Quantiles;
  /** The same from the time at which the broker accepted it: only the subscriber's side. */
  readonly longestTransit: Quantiles;
  /** The same for clients on a bad network or that read slowly, if there are any. */
  readonly longestOfExtras: Quantiles;
  readonly extraDisconnects: number;
  /** Every delivery's delay: from the intended time, and from the broker's taking it. */
  readonly delays: Quantiles;
  readonly transits: Quantiles;
  /**
   * The longest transit around each move: of the client that moved, and of one that stayed where
   * it was at the same time. Old results have none.
   */
  readonly pauseOfMoved?: Quantiles;
  readonly pauseOfStayed?: Quantiles;
  /** Processor time that the host of a virtual machine gave to others, in percent of the step. */
  readonly stolenPercent?: number;
  readonly attempts: number;
  readonly reconnects: number;
  readonly moves: number;
  readonly movesMax: number;
  /** Clients that moved just once, and sockets that were refused for now; old results have none. */
  readonly movedOnce?: number;
  readonly refusals?: number;
  /** Most connections handed to one node in any second, and to all together. */
  readonly peakOfNode: number;
  readonly peakOfAll: number;
  readonly notes: readonly string[];
  readonly failures: readonly string[];
  readonly chart: StepChart;
  /** On a real cluster with the operator. */
  readonly operator?: OperatorFigures;
  /** The run that the row is of, in a document of several runs. */
  readonly of?: Pick<ProofResult, "measuredAt" | "loadBefore">;
  /** All runs of the step on the day of the newest, which the other figures are of; if several. */
  readonly runs?: readonly StepRun[];
}

/** What is kept of each of several runs of a step. */
export interface StepRun {
  readonly movesPerSession: number;
  readonly attemptsPerMove?: number;
  readonly refusalShare: number;
  /** Longest pause (p99 of clients) above that of the steps in which nobody moves. */
  readonly pauseAboveSteadyMs?: number;
  /** Pause around a move (p99) above that of those who stayed in the same moments. */
  readonly pauseAboveStayedMs?: number;
  readonly doneMs: number;
  /** Lost, duplicated, out of order, undeclared and unexpected, all together. */
  readonly violations: number;
}

/** Times since the step's beginning, in ms. */
export interface StepChart {
  readonly bucketMs: number;
  readonly moments: readonly ({ readonly place: number } & Moment)[];
  readonly handshakes: readonly { readonly place: number; readonly count: number }[];
  readonly connections: readonly ConnectionSample[];
  readonly marks: readonly { readonly atMs: number; readonly text: string }[];
}

export interface ProofResult {
  readonly rival: string;
  readonly measuredAt: string;
  readonly clients: number;
  readonly channels: number;
  readonly subscriptions: number;
  readonly publishesPerSecond: number;
  readonly seed: number;
  readonly nodes: number;
  readonly handshakesPerSecond: number;
  readonly broker: string;
  readonly quick: boolean;
  readonly machine: {
    readonly processor: string;
    readonly cores: number;
    readonly memoryGiB: number;
    readonly kernel: string;
  };
  readonly versions: Readonly<Record<string, string>>;
  /** Load average of a minute when the proof began: other work on the machine. */
  readonly loadBefore: number;
  readonly steps: readonly StepResult[];
  readonly tookMs: number;
  /** The same work on another server. */
  readonly against?: ProofResult;
}

const CALLED: Readonly<Record<Violation, string>> = {
  lost: "lost",
  duplicated: "duplicated",
  outOfOrder: "out of order",
  undeclared: "missing without a declared gap",
  unexpected: "unexpected",
};

/** Why a step fails, in words; empty if it passes. */
export function failuresOf(
  step: Pick<
    StepResult,
    "violations" | "isDrain" | "visibleDisconnects" | "published" | "doneMs" | "timeLimitMs"
  >,
): readonly string[] {
  const failures = Object.entries(step.violations)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${CALLED[name as Violation]}`);
  if (step.isDrain && step.visibleDisconnects > 0)
    failures.push(`${step.visibleDisconnects} disconnects that applications saw in a drain`);
  if (step.published.acknowledged === 0)
    failures.push("nothing was published: the step proves nothing");
  if (step.doneMs > step.timeLimitMs) failures.push(`not done within ${step.timeLimitMs} ms`);
  return failures;
}

export const hasFailed = ({ steps }: Pick<ProofResult, "steps">): boolean =>
  steps.some(({ failures }) => failures.length > 0);

/** Sockets that were opened for each lost connection or move. */
export const attemptsPerClient = ({
  attempts,
  reconnects,
  moves,
}: StepResult): number | undefined =>
  reconnects + moves === 0 ? undefined : attempts / (reconnects + moves);
