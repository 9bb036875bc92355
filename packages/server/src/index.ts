// Re-exports of a node's parts.

export {
  connectLink,
  createLinkServer,
  formatLink,
  type LinkServer,
  parseLink,
} from "@holdfast/broker-link";
export {
  createRedisBroker,
  describePlace,
  type RedisBrokerEvent,
  type RedisBrokerOptions,
  type RedisLimits,
} from "@holdfast/broker-redis";
export { defineContract, rpc } from "@holdfast/contract";
export * from "./auth/index.ts";
export { createEvents, createObserver, type ServerEvents, stallWatcher } from "./events.ts";
export * from "./http/index.ts";
export * from "./log/index.ts";
export * from "./metrics/index.ts";
export { nodeContract } from "./node/contract.ts";
export { createNode } from "./node/create-node.ts";
export type { HoldfastNode, NodeOptions } from "./node/node.ts";
export type { ProcessingFigures } from "./node/processing.ts";
export { type SourceSupport, sourceProblemsOf } from "./node/sources.ts";
export { StartError, type StartErrorCode } from "./node/start-error.ts";
export { systemClock, systemRandom } from "./node/system.ts";
export {
  type ClientRequest,
  type ForwardedRules,
  forwardedReader,
  type ReadForwarded,
} from "./sockets/forwarded.ts";
