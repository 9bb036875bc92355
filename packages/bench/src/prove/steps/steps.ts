// Owns: the steps of a proof and their order.
import { drainTwo, rollingRestart, scaleUp, steady } from "./deploys.ts";
import { cutOff, freeze, kill } from "./failures.ts";
import { badNetwork, slowClient } from "./networks.ts";
import { redisDataLost, redisFailover, redisRestart } from "./redis.ts";
import type { Step } from "./step.ts";

export const STEPS: readonly Step[] = [
  steady,
  rollingRestart,
  // Before the step that leaves one node with everyone: what clients were told of the time to come back is up to a ping old.
  kill,
  drainTwo,
  freeze,
  cutOff,
  redisRestart,
  slowClient,
  badNetwork,
  scaleUp,
  redisDataLost,
  redisFailover,
];
