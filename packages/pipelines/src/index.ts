// Re-exports of the pipelines package: what applications declare, the engine, and its ports.

export * from "./define/aggregates.ts";
export * from "./define/builder.ts";
export { pipelineProblems } from "./define/check.ts";
export { type DeclaredPipelines, declaredPipelines } from "./define/declared.ts";
export * from "./define/detectors.ts";
export { type Duration, durationMs } from "./define/duration.ts";
export type * from "./define/types.ts";
export * from "./define/windows.ts";
export * from "./delivery/index.ts";
export { type Output, outputsOf, tablesOf } from "./engine/compile.ts";
export { type Account, aboutOf, PipelineEngine, type PipelineEvent } from "./engine/engine.ts";
export {
  type DeadLetter,
  type DeadReason,
  type Emitted,
  type Fates,
  noFates,
  type Tables,
  unaccounted,
} from "./engine/run.ts";
export * from "./offline.ts";
export * from "./partition/index.ts";
export * from "./pipeline-error.ts";
export * from "./runner/index.ts";
export * from "./sink.ts";
export * from "./source.ts";
