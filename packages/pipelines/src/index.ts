// Re-exports of the pipelines package: what applications declare, the engine, and its ports.
export * from "./delivery/index.ts";
export * from "./sink.ts";
