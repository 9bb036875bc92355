// Owns: what a partition is given, its limits, and what it tells of itself.
import type { Clock, Random } from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import type { PipelineDefinition } from "../define/types.ts";
import type { Output } from "../engine/compile.ts";
import type { Account, LostRange, PipelineEvent } from "../engine/engine.ts";
import type { PipelineError } from "../pipeline-error.ts";
import type { KeptStateOptions } from "./kept-state.ts";
import type { LatestTables } from "./lookups.ts";
import type { DeliveryPort } from "./outboxes.ts";

/** What comes from a channel, in its order. `position`: behind it. */
export type PartitionInput =
  | { readonly kind: "event"; readonly position: Position; readonly event: PipelineEvent }
  /** Its data could not be read. */
  | { readonly kind: "unreadable"; readonly position: Position; readonly event: PipelineEvent }
  | {
      readonly kind: "gap";
      readonly position: Position;
      readonly gap: LostRange;
      readonly timeMs: number;
    };

export interface PartitionOptions {
  readonly name: string;
  readonly partition: number;
  readonly definition: PipelineDefinition;
  readonly kept: Omit<KeptStateOptions, "key">;
  readonly clock: Clock;
  readonly random: Pick<Random, "next">;
  readonly latest: LatestTables;
  /** The way into one sink. It MUST tell `confirm` and `refuse`. */
  deliver(
    output: Output,
    index: number,
    tell: {
      confirm(sequence: number): void;
      refuse(record: { readonly value: unknown } & Refused, reason: string): void;
    },
  ): DeliveryPort;
  /** Another owner has it, or it cannot go on: it has ended, and nothing was released. */
  lost(why: PipelineError): void;
  /** A commit failed and is repeated. */
  failed(error: unknown): void;
  readonly limits?: Partial<PartitionLimits>;
}

/** A record that a sink refused. */
export interface Refused {
  readonly key: string;
  readonly timeMs: number;
  readonly params: Readonly<Record<string, string>>;
}

export interface PartitionLimits {
  /** If no record waits for it, a commit comes at the latest so long after an event. */
  readonly commitMs: number;
  /** Bytes of state that are committed in a millisecond at most, on average. */
  readonly commitBytesPerMs: number;
  /** Events that may run between two commits. */
  readonly uncommittedMax: number;
  /** Bytes of records that no sink has confirmed. Beyond that the position waits. */
  readonly outboxBytesMax: number;
  /** The part of the room for state from which on no new key is taken. */
  readonly fullShare: number;
  /** How long a release waits for the sinks. */
  readonly flushMs: number;
}

export const PARTITION_LIMITS: PartitionLimits = {
  commitMs: 1000,
  commitBytesPerMs: 8 * 1024,
  uncommittedMax: 50_000,
  outboxBytesMax: 4 * 1024 * 1024,
  fullShare: 0.65,
  flushMs: 1000,
};

export interface PartitionFigures {
  readonly account: Account;
  readonly keys: number;
  /** In the state store. */
  readonly stateBytes: number;
  readonly commits: number;
  /** Records that no sink has confirmed. */
  readonly waiting: number;
  /** Whether events wait for sinks or for a commit. */
  readonly isHeldBack: boolean;
}

/** Key of a partition in the state store. */
export const partitionKey = (name: string, partition: number): string =>
  `pipeline/${name}/${partition}`;
