// Re-exports of the contract suites. They import bun:test: only tests may import this.

export type { BrokerHarness } from "./broker-harness.ts";
export * from "./broker-suite.ts";
export * from "./door-suite.ts";
export * from "./sink-suite.ts";
