// Owns: the steps of the gateway's proof, in their order.
import { DEPLOYS } from "./deploys.ts";
import { FAILURES } from "./failures.ts";
import { restart } from "./restart.ts";
import { slowClients } from "./slow-client.ts";
import type { GatewayStep } from "./step.ts";

export const GATEWAY_STEPS: readonly GatewayStep[] = [
  ...DEPLOYS,
  ...FAILURES,
  slowClients,
  restart,
];
