// Re-exports of what programs and tests use of Kubernetes.

export * from "./cluster/index.ts";
export * from "./drain-arithmetic.ts";
export * from "./manifests.ts";
export * from "./reading.ts";
