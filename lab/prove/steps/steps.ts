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
  // Right behind the step that left one node with everyone: clients must know by now that others
  // are back.
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
