// Re-exports of what applications use to declare their contract, and nodes to compile it.
export * from "./back-end.ts";
export { Capabilities } from "./capability.ts";
export * from "./compile.ts";
export * from "./compiled.ts";
export * from "./define.ts";
export * from "./from-config.ts";
export { channelNameFault } from "./pattern.ts";
export { type PayloadValues, type ReportFault, unsendable } from "./schema.ts";
export * from "./server-context.ts";
export type * from "./terms.ts";
export * from "./types.ts";
