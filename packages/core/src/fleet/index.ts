// Re-exports of what a node knows and decides as one of many.
export * from "./capacity.ts";
export * from "./decisions.ts";
export * from "./destinations.ts";
export * from "./reach.ts";
export * from "./rebalancer.ts";
export * from "./view.ts";
