// Owns: what a partition keeps, as text: positions, the engine's state, records that no sink has
// confirmed yet. It is written in one step: whole, or what changed since.
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
  /** What `PipelineEngine.changes` said after that. */
  readonly engineChanges: readonly Saved[];
  readonly outboxes: readonly Outbox[];
}

/** An output's records as they are written: texts of `recordText`. */
export interface WrittenOutbox {
  readonly id: string;
  readonly sequence: number;
  readonly records: readonly string[];
  /** Of changes: records up to this sequence are confirmed; `records` are those that are new. */
  readonly confirmed?: number;
}

/** What changed since the last commit. */
export interface Changes {
  /** Those that moved. */
  readonly positions: Iterable<readonly [channel: string, position: Position]>;
  readonly outboxes: readonly WrittenOutbox[];
}

const LAYOUT = 1;

/** What channels a partition reads depends on this alone. */
export function spreadOf({ source, partitions, partitionBy }: PipelineDefinition): string {
  return `${source.pattern} over ${partitions} by ${partitionBy?.join(",") ?? "all"}`;
}

/** `engine`: its state as JSON. */
export function checkpointText(
  engine: string,
  {
    version,
    spread,
    generation,
    positions,
    outboxes,
  }: Omit<Checkpoint, "engine" | "engineChanges" | "outboxes"> & {
    readonly outboxes: readonly WrittenOutbox[];
  },
): string {
  const rest = JSON.stringify({
    layout: LAYOUT,
    version,
    spread,
    generation,
    positions: writtenPositions(positions),
  });
  return `{"engine":${engine},"out":${outboxesText(outboxes)},${rest.slice(1)}`;
}

/** `engine`: its changes as JSON. */
export function changesText(engine: string, { positions, outboxes }: Changes): string {
  const rest = JSON.stringify({ positions: writtenPositions(positions) });
  return `{"engine":${engine},"out":${outboxesText(outboxes)},${rest.slice(1)}`;
}

/**
 * `changes`: texts of `changesText`, in their order. Throws a PipelineError "state" if some text is
 * not of this layout.
 */
export function parseCheckpoint(text: string, changes: readonly string[] = []): Checkpoint {
  const whole = parse(text) as Written;
  if (whole.layout !== LAYOUT) throw stateFault(`layout ${whole.layout}`, `layout ${LAYOUT}`);
  const positions = new Map<string, Position>();
  const outboxes = new Map<string, { sequence: number; records: WrittenRecord[] }>();
  const later = changes.map((one) => parse(one) as WrittenChanges);
  for (const { positions: moved, out } of [whole, ...later]) {
    for (const [channel, epoch, offset] of moved) positions.set(channel, { epoch, offset });
    for (const [id, sequence, records, confirmed = 0] of out) {
      const known = outboxes.get(id)?.records ?? [];
      const kept = confirmed === 0 ? known : known.filter(([number]) => number > confirmed);
      outboxes.set(id, { sequence, records: [...kept, ...records] });
    }
  }
  return {
    ...{ version: whole.version, spread: whole.spread, generation: whole.generation, positions },
    ...{ engine: whole.engine, engineChanges: later.map(({ engine }) => engine) },
    outboxes: [...outboxes].map(([id, { sequence, records }]) => ({
      ...{ id, sequence },
      records: records.map(([number, key, timeMs, value, params]) => ({
        ...{ sequence: number, key, timeMs, value, params },
      })),
    })),
  };
}

const writtenPositions = (positions: Changes["positions"]): WrittenPosition[] =>
  [...positions].map(([channel, { epoch, offset }]) => [channel, epoch, offset]);

/** A record as it is written; `value`: its value as JSON. */
export const recordText = (
  { sequence, key, timeMs, params }: Omit<SinkRecord, "id" | "value">,
  value: string,
): string =>
  `[${sequence},${JSON.stringify(key)},${JSON.stringify(timeMs)},${value},${JSON.stringify(params)}]`;

const outboxesText = (outboxes: readonly WrittenOutbox[]): string =>
  `[${outboxes.map(outboxText).join(",")}]`;

const outboxText = ({ id, sequence, records, confirmed }: WrittenOutbox): string =>
  `[${JSON.stringify(id)},${sequence},[${records.join(",")}]${confirmed === undefined ? "" : `,${confirmed}`}]`;

type WrittenPosition = readonly [channel: string, epoch: string, offset: number];
type WrittenRecord = readonly [
  sequence: number,
  key: string,
  timeMs: number,
  value: unknown,
  params: Readonly<Record<string, string>>,
];

interface Written {
  readonly layout: number;
  readonly version: number;
  readonly spread: string;
  readonly generation: number;
  readonly positions: readonly WrittenPosition[];
  readonly engine: Saved;
  readonly out: readonly (readonly [
    id: string,
    sequence: number,
    records: readonly WrittenRecord[],
    confirmed?: number,
  ])[];
}

type WrittenChanges = Pick<Written, "positions" | "engine" | "out">;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw stateFault(`text that is no JSON (${String(cause)})`, "a checkpoint");
  }
}
