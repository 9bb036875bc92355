// Re-exports of the testkit. Contract suites are at "@holdfast/testkit/contract", apart, because
// they import the test runner.

export { createSeededRandom, type SeededRandom } from "@holdfast/core";
export * from "./clock.ts";
export * from "./engine-harness.ts";
