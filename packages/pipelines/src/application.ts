// Re-exports of what applications declare and test pipelines with. Nodes use `index.ts`.
export * from "./define/aggregates.ts";
export * from "./define/builder.ts";
export * from "./define/detectors.ts";
export type { Duration } from "./define/duration.ts";
export type * from "./define/types.ts";
export * from "./define/windows.ts";
export type { Account } from "./engine/engine.ts";
export type { DeadLetter, DeadReason, Fates } from "./engine/run.ts";
export * from "./offline.ts";
export * from "./pipeline-error.ts";
export * from "./sink.ts";
