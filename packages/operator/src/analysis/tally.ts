// Owns: what clients felt, counted in connection-minutes, and the rules by which it is judged.

/** What can be bad about a revision, as its clients feel it. */
export const SIGNALS = ["crashes", "lost", "slow", "resumesFailed", "closedAbnormally"] as const;
export type Signal = (typeof SIGNALS)[number];

/**
 * Counts of one revision since a step began. All are 0 or more and never fall within a step. A
 * connection-minute is bad once, however much happened in it: what happens in bursts would count as
 * proof otherwise.
 */
export interface Tally {
  /** Minutes that connections have lived, added up. */
  readonly connectionMinutes: number;
  /** Resumes that were tried. */
  readonly resumes: number;
  /**
   * `crashes`: connection-minutes that a process's end cut short. `lost`: with a publication lost
   * or doubled. `slow`: with a delivery later than the limit. `closedAbnormally`: ended without a
   * closing handshake. `resumesFailed`: of the resumes.
   */
  readonly bad: Readonly<Record<Signal, number>>;
}

/** When a verdict may come. */
export interface AnalysisRules {
  /** No verdict that all is well before the canary has carried so many. 0 or more. */
  readonly connectionMinutesMin: number;
  /**
   * A revision that is not proved bad after so many is good. At least `connectionMinutesMin`. It
   * bounds the wait if a signal stays between good and bad.
   */
  readonly connectionMinutesMax: number;
  /**
   * A step waits so long for connection-minutes and a verdict, in ms. Then it goes on with what is
   * known: few people are connected.
   */
  readonly waitMsMax: number;
}
