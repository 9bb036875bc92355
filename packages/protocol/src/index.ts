// Re-exports of the protocol package.
export * from "./codec.ts";
export * from "./codes.ts";
export * from "./frames.ts";
export * from "./limits.ts";
export * from "./payload.ts";
