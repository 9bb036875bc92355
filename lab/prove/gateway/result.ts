// Owns: the result of the gateway's proof, as its files have it.
import type { machine } from "@holdfast/load";
import type { Quantiles, Spread } from "./account.ts";
import type { Account } from "./app.ts";
import type { FrontName } from "./fronts/fronts.ts";
import type { Documents } from "./judge.ts";
import type { Taken } from "./ledger.ts";
import type { StepKind } from "./step-kind.ts";

export interface GatewayStepResult {
  readonly name: string;
  readonly title: string;
  readonly kind: StepKind;
  readonly tookMs: number;
  readonly account: Omit<Account, "longestMs" | "silentMs" | "missing">;
  /** Of each client the longest time from a frame to its answer. */
  readonly longestMs: Quantiles;
  /** Of each client the longest time without any answer. */
  readonly silentMs: Quantiles;
  /** p99 of the longest, above that of the steps before in which nobody moved. */
  readonly aboveSteadyMs: number;
  /** Of the processors' time, for other guests of this machine's host. Absent in older results. */
  readonly stolenPercent?: number;
  /** Re-homings, by what caused them. */
  readonly moves: Readonly<Record<string, number>>;
  /** Processor time of the front for each frame that passed, both ways, in microseconds. */
  readonly cpuMicrosPerFrame: number;
  /** The servers' side of the account, if they keep one. */
  readonly taken?: Taken;
  readonly documents?: Documents;
  readonly notes: readonly string[];
  /** What the profile declares may happen, and did. */
  readonly declared: readonly string[];
  readonly failures: readonly string[];
}

export interface GatewayResult {
  readonly app: string;
  readonly front: FrontName;
  readonly title: string;
  readonly clients: number;
  readonly everyMs: number;
  /** Holes of the profile, with the kinds of steps. */
  readonly declares: readonly string[];
  /** Load average before its servers started. */
  readonly loadBefore: number;
  /** Of the front, for each client, beyond what it has without any. */
  readonly bytesPerClient: Spread;
  /** Of the steady step, in windows of a second. */
  readonly cpuMicrosPerFrame: Spread;
  readonly steps: readonly GatewayStepResult[];
}

/** A run that could not be carried out to its end. */
export interface BrokenRun {
  readonly app: string;
  readonly front: FrontName;
  readonly why: string;
}

export interface GatewayProofResult {
  readonly measuredAt: string;
  readonly machine: ReturnType<typeof machine>;
  readonly versions: Readonly<Record<string, string>>;
  readonly loadBefore: number;
  readonly tookMs: number;
  readonly apps: readonly GatewayResult[];
  readonly broken: readonly BrokenRun[];
  /** What a reader must know of a result that is kept, in sentences. */
  readonly note?: string;
}

export const hasWrongs = ({ apps, broken }: GatewayProofResult): boolean =>
  broken.length > 0 ||
  apps.some(
    ({ front, steps }) => front === "gateway" && steps.some(({ failures }) => failures.length > 0),
  );
