// Owns: a process that says how much memory the windows of many keys take: mean, extremes, count
// and a quantile for each key, with two windows open.
import { heapStats } from "bun:jsc";
import { answerCommands } from "@holdfast/load/processes";
import {
  count,
  type from,
  max,
  mean,
  min,
  PipelineEngine,
  pipeline,
  quantile,
  tumbling,
} from "@holdfast/pipelines";
import type { MemoryResult } from "./result.ts";

interface Reading {
  readonly key: string;
  readonly value: number;
}

const WINDOW_MS = 10_000;
/** Of each key in each window. */
const EVENTS = 20;

const { definition } = pipeline({ pattern: "readings" } as ReturnType<typeof from<"readings">>)
  .map((value) => value as Reading)
  .window(tumbling(WINDOW_MS, { lateness: WINDOW_MS, keysMax: 100_000, key: ({ key }) => key }))
  .aggregate({
    n: count(),
    mean: mean(({ value }) => value),
    least: min(({ value }) => value),
    most: max(({ value }) => value),
    p99: quantile(0.99, ({ value }) => value),
  });

/** Events of so many keys, spread over two windows. */
function filled(keys: number): PipelineEngine {
  const engine = new PipelineEngine(definition);
  const source = engine.source("readings", {}, 0);
  let offset = 0;
  for (let round = 0; round < 2 * EVENTS; round++)
    for (let key = 0; key < keys; key++) {
      const timeMs = (round / EVENTS) * WINDOW_MS;
      const value = { key: `device-${key}`, value: ((offset * 7919) % 1000) / 10 };
      engine.push(source, { offset: ++offset, timeMs, value }, 0);
    }
  return engine;
}

function memory(): { readonly heap: number; readonly resident: number } {
  for (let turn = 0; turn < 3; turn++) Bun.gc(true);
  return { heap: heapStats().heapSize, resident: process.memoryUsage().rss };
}

const commands = {
  measure({ keys }: { readonly keys: number }): MemoryResult {
    // Code is compiled, and pages are there that any engine needs.
    filled(100);
    const before = memory();
    const engine = filled(keys);
    const after = memory();
    return {
      keys: engine.kept().keys,
      heapBytes: after.heap - before.heap,
      residentBytes: after.resident - before.resident,
      savedBytes: JSON.stringify(engine.save()).length,
    };
  },
};

export type MemoryCommands = typeof commands;
answerCommands(process, commands);
