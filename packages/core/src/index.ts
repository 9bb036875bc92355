// Re-exports of the engines, their ports and the contract.
export * from "./contract/index.ts";
export * from "./node/control.ts";
export * from "./node/settings.ts";
export * from "./observer.ts";
export * from "./ports.ts";
