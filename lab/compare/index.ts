// Re-exports of the comparison: its page for the tools, its servers and measurements for tests.
export { withHeadline } from "./document.ts";
export { type GeneratedFile, generatedFiles } from "./generated.ts";
export { fanOutPlan, roomsPlan } from "./load-plans.ts";
export { planFrom } from "./plan.ts";
export { usageOf } from "./process-usage.ts";
export type { CompareResult } from "./result.ts";
export { measureFlow } from "./scenarios/flow.ts";
export { measureRecovery } from "./scenarios/recovery.ts";
export { type Running, Servers } from "./servers.ts";
