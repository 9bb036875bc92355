// Owns: the steps of a proof and their order.
import { drainTwo, rollingRestart, scaleUp, steady } from "./deploys.ts";
import { cutOff, freeze, kill } from "./failures.ts";
import { badNetwork, slowClient } from "./networks.ts";
import { redisDataLost, redisFailover, redisRestart } from "./redis.ts";
import type { Step } from "./step.ts";

export const STEPS: readonly Step[] = [
  steady,
  rollingRestart,
  drainTwo,
  // Directly after the step that left all clients on one node: they must have heard that other
  // nodes are back.
  kill,
  freeze,
  cutOff,
  redisRestart,
  slowClient,
  badNetwork,
  scaleUp,
  redisDataLost,
  redisFailover,
];
