// Owns: what the runner of a node's pipelines needs from outside, and what it tells.
import type { PayloadValues } from "@holdfast/contract";
import type {
  Bus,
  Clock,
  HistoryPage,
  HistoryQuery,
  Random,
  StateStore,
  TapOptions,
} from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import type { Output } from "../engine/compile.ts";
import type { TextCodec } from "../partition/kept-state.ts";
import type { SinkAdapter, SinkRecord } from "../sink.ts";

/** A tap, as far as the runner looks at it; `Tap` of the core is one. */
export interface RunnerTap {
  readonly lag: number;
  readonly bufferedBytes: number;
  close(): void;
}

export interface RunnerPorts {
  readonly node: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly states: StateStore;
  readonly bus: Pick<Bus, "send">;
  readonly codec: TextCodec;
  readonly values: Pick<PayloadValues, "toValue">;
  readonly adapters: readonly SinkAdapter[];
  readonly secret: (name: string) => string | undefined;
  readonly observer: RunnerObserver;
  /** Told of each record that goes to a sink. MUST NOT throw, nor take long. */
  readonly seen?: (seen: SeenRecord) => void;
  /** False: the node drains or stops, and its partitions go elsewhere. */
  isServing(): boolean;
  /** `NodeEngine.tap`. Undefined: refused, with a reason for people. */
  tap(channel: string, options: TapOptions): RunnerTap | string;
  /** The pattern that a channel's name matches, and its parameters. */
  resolve(
    channel: string,
  ): { readonly pattern: string; readonly params: Readonly<Record<string, string>> } | undefined;
  /** Names that begin with the prefix, in pages. */
  channels(query: {
    readonly prefix: string;
    readonly after?: string;
    readonly limit: number;
  }): Promise<readonly string[]>;
  history(channel: string, query: HistoryQuery): Promise<HistoryPage>;
}

/** A record on its way to a sink. After a death it may be seen again. */
export interface SeenRecord {
  readonly pipeline: string;
  readonly partition: number;
  readonly of: Output["of"];
  readonly record: SinkRecord;
}

/** Told for logs. MUST NOT throw. */
export interface RunnerObserver {
  taken(pipeline: string, partition: number, before: Position | undefined): void;
  released(pipeline: string, partition: number, why: "moved" | "drained" | "fenced"): void;
  /** It cannot run: state that does not fit, a source or a sink that cannot be used. */
  refused(pipeline: string, partition: number, why: string): void;
  sinkFailed(pipeline: string, partition: number, output: string, why: string): void;
  commitFailed(pipeline: string, partition: number, why: string): void;
  gap(pipeline: string, channel: string, lost: number | null): void;
  bug(where: string, error: unknown): void;
}
