// Re-exports of a partition's parts.
export * from "./kept-state.ts";
export type { LatestTables } from "./lookups.ts";
export type { DeliveryPort } from "./outboxes.ts";
export * from "./partition.ts";
export * from "./partition-options.ts";
