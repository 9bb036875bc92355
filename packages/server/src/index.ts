// Re-exports of a node's parts.
export * from "./auth/index.ts";
export { createEvents, createObserver, type ServerEvents, stallWatcher } from "./events.ts";
export * from "./http/index.ts";
export * from "./log/index.ts";
export * from "./metrics/index.ts";
