// Owns: what a partition keeps, as text: positions, the engine's state, records that no sink has
// confirmed yet. It is written in one step.
import type { Position } from "@holdfast/protocol";
import type { Saved } from "../aggregate/accumulator.ts";
import type { PipelineDefinition } from "../define/types.ts";
import { stateFault } from "../engine/compile.ts";
import type { SinkRecord } from "../sink.ts";

/** One output's records. */
export interface Outbox {
  /** `Output.id`. */
  readonly id: string;
  /** Of the newest record that was ever made. */
  readonly sequence: number;
  readonly records: readonly Omit<SinkRecord, "id">[];
}

export interface Checkpoint {
  /** Of the pipeline that wrote it. */
  readonly version: number;
  /** How the source is spread over partitions: another spread reads other channels. */
  readonly spread: string;
  /** Part of the ids of records. Another one for each life of the state. */
  readonly generation: number;
  /** Behind which publication of each channel the engine stands. */
  readonly positions: ReadonlyMap<string, Position>;
  readonly engine: Saved;
  readonly outboxes: readonly Outbox[];
}

const LAYOUT = 1;

/** What channels a partition reads depends on this alone. */
export function spreadOf({ source, partitions, partitionBy }: PipelineDefinition): string {
  return `${source.pattern} over ${partitions} by ${partitionBy?.join(",") ?? "all"}`;
}

/** `engine`: its state as JSON. */
export function checkpointText(
  engine: string,
  { version, spread, generation, positions, outboxes }: Omit<Checkpoint, "engine">,
): string {
  const rest = JSON.stringify({
    layout: LAYOUT,
    version,
    spread,
    generation,
    positions: [...positions].map(([channel, { epoch, offset }]) => [channel, epoch, offset]),
    out: outboxes.map(({ id, sequence, records }) => [
      id,
      sequence,
      records.map(({ sequence, key, timeMs, value, params }) => [
        sequence,
        key,
        timeMs,
        value ?? null,
        params,
      ]),
    ]),
  });
  return `{"engine":${engine},${rest.slice(1)}`;
}

/** Throws a PipelineError "state" if it is no text of this layout. */
export function parseCheckpoint(text: string): Checkpoint {
  const data = parse(text);
  if (data.layout !== LAYOUT) throw stateFault(`layout ${data.layout}`, `layout ${LAYOUT}`);
  return {
    version: data.version,
    spread: data.spread,
    generation: data.generation,
    positions: new Map(
      data.positions.map(([channel, epoch, offset]) => [channel, { epoch, offset }]),
    ),
    engine: data.engine,
    outboxes: data.out.map(([id, sequence, records]) => ({
      id,
      sequence,
      records: records.map(([number, key, timeMs, value, params]) => ({
        sequence: number,
        key,
        timeMs,
        value,
        params,
      })),
    })),
  };
}

interface Written {
  readonly layout: number;
  readonly version: number;
  readonly spread: string;
  readonly generation: number;
  readonly positions: readonly [string, string, number][];
  readonly engine: Saved;
  readonly out: readonly [
    string,
    number,
    [number, string, number, unknown, Readonly<Record<string, string>>][],
  ][];
}

function parse(text: string): Written {
  try {
    return JSON.parse(text) as Written;
  } catch (cause) {
    throw stateFault(`text that is no JSON (${String(cause)})`, "a checkpoint");
  }
}
