// Owns: the steps of a proof on a real cluster, in their order.
import { crashes, leaks, loses, refuses, slow } from "./bad-canaries.ts";
import type { ClusterStep } from "./cluster-step.ts";
import { goodCanary, rolling, steady } from "./releases.ts";

export const CLUSTER_STEPS: readonly ClusterStep[] = [
  steady,
  rolling,
  goodCanary,
  crashes,
  loses,
  slow,
  refuses,
  leaks,
];
