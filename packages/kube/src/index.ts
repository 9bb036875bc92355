// Re-exports of what programs and tests use of Kubernetes.
export * from "./drain-arithmetic.ts";
