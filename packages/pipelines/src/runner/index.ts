// Re-exports of the runner of a node's pipelines.
export * from "./channel-sink.ts";
export type { SinkFigures } from "./deliveries.ts";
export type { Behind } from "./held-partition.ts";
export type { PipelineFigures } from "./pipeline-figures.ts";
export * from "./ports.ts";
export * from "./runner.ts";
export { nodeFor, partitionOf, type RunnerMember } from "./spread.ts";
export type { Totals } from "./totals.ts";
