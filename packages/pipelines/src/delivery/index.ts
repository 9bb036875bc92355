// Re-exports of the way from results into a sink.
export * from "./breaker.ts";
export * from "./delivery.ts";
