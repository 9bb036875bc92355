// Owns: the accumulators of a window's key, and the room that all of them take.
import type { Accumulator, Saved } from "../aggregate/accumulator.ts";
import { type Aggregate, aggregateOf, NOTHING } from "../aggregate/aggregates.ts";
import type { About, AggregateDefinition, KeyBounds } from "../define/types.ts";
import { keyName, keyOf, keyParams } from "./key.ts";
import type { Measured } from "./reading.ts";
import type { Run } from "./run.ts";
import type { Call } from "./stateless.ts";

export type Group = Accumulator[];

/** What a group takes besides its key and accumulators, roughly. */
const GROUP_BYTES = 120;

/** Makes groups, adds to them, counts them. */
export class Groups {
  readonly measured: readonly Measured[];
  count = 0;
  bytes = 0;
  readonly #names: readonly string[];
  readonly #aggregates: readonly Aggregate[];
  readonly #grows: boolean;
  readonly #countMax: number;
  readonly #bytesMax: number;
  readonly #baseBytes: number;

  /** `perKey`: groups that a key may have at once. */
  constructor(
    aggregates: Readonly<Record<string, AggregateDefinition>>,
    bounds: KeyBounds,
    perKey = 1,
  ) {
    this.#names = Object.keys(aggregates);
    this.measured = Object.values(aggregates).map((definition) => ({
      aggregate: aggregateOf(definition),
      of: definition.of as Call | undefined,
    }));
    this.#aggregates = this.measured.map(({ aggregate }) => aggregate);
    this.#grows = this.#aggregates.some(({ grows }) => grows);
    this.#baseBytes = this.#aggregates.reduce((sum, { bytes }) => sum + bytes, GROUP_BYTES);
    this.#countMax = bounds.keysMax * perKey;
    this.#bytesMax = bounds.bytesMax;
  }

  /** Whether one more group of this key may be made. */
  hasRoom(key: string, more = 1): boolean {
    return (
      this.count + more <= this.#countMax &&
      this.bytes + more * (this.#baseBytes + key.length * 2) <= this.#bytesMax
    );
  }

  /** Whether what is there may grow. */
  get mayGrow(): boolean {
    return !this.#grows || this.bytes < this.#bytesMax;
  }

  start(key: string): Group {
    this.count += 1;
    this.bytes += this.#baseBytes + key.length * 2;
    return this.#aggregates.map((aggregate) => aggregate.start());
  }

  add(group: Group, inputs: readonly unknown[], timeMs: number): void {
    const before = this.#grows ? sizeOf(group) : 0;
    for (let i = 0; i < group.length; i++) {
      const input = inputs[i];
      if (input !== NOTHING) (group[i] as Accumulator).add(input as never, timeMs);
    }
    if (this.#grows) this.bytes += sizeOf(group) - before;
  }

  /** `other` has seen later events, and is not used afterwards. */
  merge(group: Group, other: Group, key: string): void {
    const before = sizeOf(group);
    this.remove(key, other);
    for (const [i, accumulator] of group.entries()) accumulator.merge(other[i] as Accumulator);
    this.bytes += sizeOf(group) - before;
  }

  remove(key: string, group: Group): void {
    this.count -= 1;
    this.bytes -= GROUP_BYTES + key.length * 2 + sizeOf(group);
  }

  load(key: string, saved: readonly Saved[]): Group {
    const group = this.#aggregates.map((aggregate, i) => aggregate.start(saved[i]));
    this.count += 1;
    this.bytes += GROUP_BYTES + key.length * 2 + sizeOf(group);
    return group;
  }

  /** What the aggregates say, by their names. */
  values(group: Group): Record<string, unknown> {
    const values: Record<string, unknown> = {};
    for (let i = 0; i < group.length; i++)
      values[this.#names[i] as string] = (group[i] as Accumulator).value();
    return values;
  }
}

export const saveGroup = (group: Group): Saved[] => group.map((accumulator) => accumulator.save());

function sizeOf(group: Group): number {
  let bytes = 0;
  for (let i = 0; i < group.length; i++) bytes += (group[i] as Accumulator).bytes;
  return bytes;
}

/** What is known of a result. */
export function aboutResult(run: Run, key: string, timeMs: number): About<never> {
  const value = keyOf(key);
  return { channel: run.pattern, params: keyParams(value) as never, timeMs, key: keyName(value) };
}
