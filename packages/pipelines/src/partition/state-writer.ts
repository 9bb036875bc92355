// Owns: what a commit of a partition writes: what changed since the last one, or everything.
import type { Clock } from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import type { PipelineDefinition } from "../define/types.ts";
import type { PipelineEngine } from "../engine/engine.ts";
import { changesText, checkpointText, spreadOf } from "./checkpoint.ts";
import { KeptState } from "./kept-state.ts";
import type { Outboxes } from "./outboxes.ts";

export interface StateWriterOptions {
  readonly kept: KeptState;
  readonly engine: PipelineEngine;
  readonly outboxes: Outboxes;
  readonly positions: ReadonlyMap<string, Position>;
  readonly definition: PipelineDefinition;
  readonly generation: number;
  readonly clock: Pick<Clock, "nowMs">;
  readonly keepMs: number;
  readonly valueBytesMax: number;
  /** The part of the room for state from which on no new key is taken. */
  readonly fullShare: number;
}

export class StateWriter {
  readonly #options: StateWriterOptions;
  readonly #fullBytes: number;
  /** Channels whose positions moved since the last commit. */
  readonly #moved = new Set<string>();
  /** Of the engine's state as text, at most. */
  #engineBytes = 0;
  #lastWholeMs: number;
  /** Of the last commit. */
  writtenBytes = 0;

  constructor(options: StateWriterOptions) {
    this.#options = options;
    this.#fullBytes = KeptState.bytesMax(options.valueBytesMax) * options.fullShare;
    this.#lastWholeMs = options.clock.nowMs();
  }

  moved(channel: string): void {
    this.#moved.add(channel);
  }

  /** What is there now, in one step. Rejects as `KeptState.write` does; it may be called again. */
  async write(isLast: boolean): Promise<void> {
    const { kept } = this.#options;
    const changes = this.#changes();
    this.writtenBytes = await (changes === undefined
      ? kept.write(this.#whole(), isLast)
      : kept.add(changes, isLast));
  }

  /** What changed, if that is less than the whole; undefined: the whole must be written. */
  #changes(): string | undefined {
    const { clock, engine, kept, keepMs, outboxes, positions } = this.#options;
    // Values that are not written again expire.
    const isOld = clock.nowMs() - this.#lastWholeMs > keepMs / 4;
    if (kept.wantsWhole || isOld || this.#engineBytes > this.#fullBytes) return undefined;
    const engineText = JSON.stringify(engine.changes());
    const moved = [...this.#moved].flatMap((channel) => {
      const position = positions.get(channel);
      return position === undefined ? [] : [[channel, position] as const];
    });
    this.#moved.clear();
    const text = changesText(engineText, { positions: moved, outboxes: outboxes.changes() });
    if (text.length > kept.wholeBytes / 2) return undefined;
    this.#engineBytes += engineText.length;
    return text;
  }

  #whole(): string {
    const { clock, definition, engine, generation, outboxes, positions } = this.#options;
    this.#lastWholeMs = clock.nowMs();
    this.#moved.clear();
    const engineText = JSON.stringify(engine.save());
    this.#engineBytes = engineText.length;
    // Records that wait for a sink are not the engine's: they hold back, and lose nothing.
    engine.setFull(engineText.length > this.#fullBytes);
    return checkpointText(engineText, {
      ...{ version: definition.version, spread: spreadOf(definition), generation },
      ...{ positions, outboxes: outboxes.save() },
    });
  }
}
