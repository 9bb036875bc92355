// Re-exports of the engines and their ports.

export { backoffMs } from "./backoff.ts";
export * from "./control/control.ts";
export type { Order, OrderFigures, SentOrder } from "./control/order-messages.ts";
export { type Obedient, type OrderNeeds, Orders } from "./control/orders.ts";
export * from "./door.ts";
export type { DoorEngine } from "./door-engine.ts";
export { createNodeEngine, type NodeEngine, type NodePorts } from "./engine.ts";
export type { Vitals } from "./fleet/fleet-member.ts";
export * from "./fleet/index.ts";
export * from "./memory-broker/index.ts";
export * from "./observer.ts";
export * from "./pacing/admission.ts";
export * from "./pacing/drain-pacer.ts";
export * from "./pacing/fair-share.ts";
export * from "./pacing/server-window.ts";
export * from "./pacing/token-bucket.ts";
export * from "./pacing/waiting-line.ts";
export * from "./ports.ts";
export { allMembers } from "./presence/all-members.ts";
export * from "./random.ts";
export type { Connection } from "./session/connection.ts";
export type { FeltFigures } from "./session/felt.ts";
export * from "./settings.ts";
export * from "./state-limits.ts";
export type { BatchLimits, TapBatch, TapConsumer, TapEvent } from "./taps/batches.ts";
export type { Tap, TapOptions } from "./taps/tap.ts";
export type { TapFigures } from "./taps/taps.ts";
