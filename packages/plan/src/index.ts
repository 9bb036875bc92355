// Re-exports of capacity planning: the model, its parts, and how it is shown.
export * from "./batched.ts";
export * from "./calibration.ts";
export * from "./deploy.ts";
export * from "./load.ts";
export * from "./losses.ts";
export * from "./mass-reconnect.ts";
export * from "./plan.ts";
export * from "./problems.ts";
export type { ReceivingNodeSettings, SetUpCosts } from "./receiving-node.ts";
export * from "./release/forecast.ts";
export type { PodAtStart, PodTimes } from "./release/forecast-pod.ts";
export * from "./report-svg.ts";
export * from "./report-text.ts";
export * from "./rolling-deploy.ts";
export type { Balancer, RollingNodeOptions } from "./rolling-node.ts";
export * from "./scale-up.ts";
export * from "./scenario.ts";
export * from "./sizing.ts";
