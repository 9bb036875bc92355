// Owns: the steps of a proof on a real cluster, in their order.
import { crashes, leaks, loses, refuses, slow } from "./bad-canaries.ts";
import type { ClusterStep } from "./cluster-step.ts";
import { deleted, toDeploymentAndBack } from "./kinds.ts";
import {
  apiServerAway,
  crdsAgain,
  drainMachines,
  etcdRestarted,
  operatorKilled,
  secondOperator,
} from "./machines.ts";
import { neighbours } from "./neighbours.ts";
import { goodCanary, rolling, steady } from "./releases.ts";
import { scaleDown, spike } from "./scaling.ts";
import { abort, pauseResume, promote } from "./steering.ts";

export const CLUSTER_STEPS: readonly ClusterStep[] = [
  steady,
  neighbours,
  rolling,
  goodCanary,
  crashes,
  loses,
  slow,
  refuses,
  leaks,
  pauseResume,
  promote,
  abort,
  scaleDown,
  spike,
  operatorKilled,
  secondOperator,
  crdsAgain,
  drainMachines,
  apiServerAway,
  etcdRestarted,
  toDeploymentAndBack,
  deleted,
];
