// Re-exports of what applications need: to declare a contract, and the types that follow from it.
// This is what users install as @holdfast/contract; what compiles a contract stays in the node.
export type { DeliveryClass } from "@holdfast/protocol";
export { backEnd } from "./back-end.ts";
export * from "./define.ts";
export * from "./server-context.ts";
export type * from "./types.ts";
