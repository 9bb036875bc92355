// Re-exports of what applications use to declare their contract.
export * from "./define.ts";
