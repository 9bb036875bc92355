// Re-exports of the simulation.
export { describeFault, type Fault, type FaultPlan } from "./faults.ts";
export type { Balancer } from "./network.ts";
export { type ReachOptions, type ReachResult, runReach } from "./reach-run.ts";
export { type RunResult, runSeed } from "./run.ts";
export type { Rule, Violation } from "./verdict.ts";
export { describeClient, SIM_CONTRACT } from "./workload.ts";
export { planOf, type RunOptions } from "./world.ts";
