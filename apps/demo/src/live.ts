// Owns: what a node of dev tells the page of pipelines, and on which channels.

/** `latest`, by node: `LiveFigures`. */
export const LIVE_FIGURES = "holdfast-dev:figures";
/** Records on their way to sinks: `LiveRecords`. */
export const LIVE_RECORDS = "holdfast-dev:records";
/** Where the page is. */
export const LIVE_PATH = "/pipelines";

/** A pipeline as it is declared, and as one node runs it. */
export interface LivePipeline {
  readonly name: string;
  readonly version: number;
  readonly source: string;
  readonly steps: readonly string[];
  readonly partitions: number;
  /** Numbers of the partitions that the node holds. */
  readonly holds: readonly number[];
  /** Events by what became of them, since the node started. */
  readonly events: Readonly<Record<string, number>>;
  readonly results: number;
  readonly deadBy: Readonly<Record<string, number>>;
  readonly lost: number;
  readonly lag: number;
  readonly lagMs: number;
  readonly channels: number;
  readonly keys: number;
  readonly stateBytes: number;
  readonly heldBack: number;
  readonly refused?: string;
  readonly outputs: readonly LiveOutput[];
}

export interface LiveOutput {
  readonly index: number;
  readonly of: "results" | "late" | "dead";
  readonly sink: string;
  /** Channel, topic, table or the like, without anything secret. */
  readonly target: string;
  /** Absent: the node has not opened it. */
  readonly now?: {
    readonly breaker: "closed" | "open" | "probing";
    readonly delivered: number;
    readonly refused: number;
    readonly failures: number;
    readonly queued: number;
    readonly oldestMs: number;
    readonly lastError?: string;
  };
}

export interface LiveSource {
  readonly name: string;
  readonly kind: string;
  readonly channel: string;
  readonly isReading: boolean;
  readonly isRefused: boolean;
  readonly isHeldBack: boolean;
  readonly published: number;
  readonly dead: number;
  readonly lag: number;
}

/** What one node says twice a second. */
export interface LiveFigures {
  readonly node: string;
  readonly timeMs: number;
  readonly pipelines: readonly LivePipeline[];
  readonly sources: readonly LiveSource[];
}

export interface LiveRecord {
  readonly id: string;
  readonly pipeline: string;
  readonly of: "results" | "late" | "dead";
  readonly partition: number;
  readonly key: string;
  readonly timeMs: number;
  /** JSON, cut. */
  readonly text: string;
  /** Of a dead letter. */
  readonly reason?: string;
}

/** The newest records of a quarter of a second; `skipped`: how many more there were. */
export interface LiveRecords {
  readonly node: string;
  readonly records: readonly LiveRecord[];
  readonly skipped: Readonly<Record<string, number>>;
}
