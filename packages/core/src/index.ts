// Re-exports of the engines, their ports and the contract.
export * from "./broker/index.ts";
export * from "./contract/index.ts";
export * from "./fleet/index.ts";
export type { Connection } from "./node/connection.ts";
export * from "./node/control.ts";
export { createNodeEngine, type NodeEngine } from "./node/engine.ts";
export type { Vitals } from "./node/fleet-member.ts";
export type { NodePorts } from "./node/parts.ts";
export * from "./node/settings.ts";
export * from "./observer.ts";
export * from "./pacing/admission.ts";
export * from "./pacing/drain-pacer.ts";
export * from "./pacing/server-window.ts";
export * from "./pacing/token-bucket.ts";
export * from "./ports.ts";
