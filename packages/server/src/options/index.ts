// Re-exports of the options of a node. They load nothing else of this package.
export * from "./api-keys.ts";
export * from "./channels.ts";
export { type Config, JWT_ALGORITHMS, type JwtAlgorithm } from "./node-options.ts";
export * from "./node-settings.ts";
export { NODE_OPTIONS } from "./node-table.ts";
export { nodeOptionsReference } from "./reference.ts";
