// Owns: what the runner of a node says about a pipeline.
import type { Totals } from "./totals.ts";

/** What a pipeline does on this node. */
export interface PipelineFigures {
  readonly name: string;
  readonly version: number;
  /** Partitions that this node holds, and that the pipeline has. */
  readonly held: number;
  readonly partitions: number;
  /** Numbers of those that it holds. */
  readonly holds: readonly number[];
  readonly totals: Totals;
  readonly channels: number;
  readonly channelsSkipped: number;
  readonly lag: number;
  readonly lagMs: number;
  readonly retentionLeft: number;
  readonly keys: number;
  readonly stateBytes: number;
  /** Records that no sink has confirmed. */
  readonly waiting: number;
  readonly heldBack: number;
  /** Why the node does not run some partition; undefined: it may run all. */
  readonly refused: string | undefined;
}
