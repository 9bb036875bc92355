// Re-exports of what applications use to declare their contract.
export * from "./compiled.ts";
export * from "./define.ts";
