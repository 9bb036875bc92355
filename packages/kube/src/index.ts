// Re-exports of the Kubernetes parts that programs and tests use.

export * from "./answer-text.ts";
export * from "./api/index.ts";
export * from "./cluster/index.ts";
export * from "./drain-arithmetic.ts";
export * from "./manifests.ts";
export * from "./reading.ts";
export * from "./rollout-progress.ts";
