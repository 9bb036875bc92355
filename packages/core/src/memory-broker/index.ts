// Re-exports of the memory broker.

export { DeadlineQueue } from "./deadline-queue.ts";
export { MEMORY_BROKER_LIMITS, type MemoryBrokerLimits } from "./limits.ts";
export * from "./memory-broker.ts";
export type { MemoryBrokerNode } from "./memory-node.ts";
