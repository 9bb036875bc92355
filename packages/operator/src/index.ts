// Re-exports of the operator's decisions and of what they are made from.

export { judge, type Verdict } from "./analysis/judge.ts";
export * from "./analysis/tally.ts";
export { decide } from "./decide.ts";
export * from "./model/actions.ts";
export * from "./model/desired.ts";
export * from "./model/observed.ts";
export * from "./model/pod.ts";
export { DRAINING_COST, GOING_COST, leastToken, TOKEN_MAX } from "./plan/orders.ts";
export { connectionsOf } from "./plan/places.ts";
export { isActive, type PodView, survey } from "./plan/survey.ts";
export { verdictOf } from "./release/courses.ts";
export { stepsOf } from "./release/steps.ts";
export * from "./resource/index.ts";
export { type Demand, demandOf } from "./scaling.ts";
export * from "./set-progress.ts";
