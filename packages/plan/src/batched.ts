// Owns: simulations of fleets of any size in bounded time, and what is approximated for it.
import {
  type MassReconnectOptions,
  type MassReconnectResult,
  simulateMassReconnect,
} from "./mass-reconnect.ts";
import {
  type RollingDeployOptions,
  type RollingDeployResult,
  simulateRollingDeploy,
} from "./rolling-deploy.ts";
import type { RollingNodeOptions } from "./rolling-node.ts";

const CLIENTS_SIMULATED_MAX = 10_000;
const NODES_SIMULATED_MAX = 20;
const SESSIONS_SIMULATED_MAX = 100_000;
/** Least A of a simulated node: below, chance would be larger than in the fleet. */
const CAPACITY_MIN = 100;
/**
 * Never more than so many are simulated: a fleet that is far too small for its clients is answered
 * roughly, but soon.
 */
const SIMULATED_MAX = 300_000;

/**
 * `simulateMassReconnect` for many clients. Nodes are alike, so one of them is simulated with its
 * share of the clients; and where that is more than 10,000, one simulated client stands for several
 * of a node that takes as many times fewer set-ups a second, each as many times dearer (times stay
 * what they are).
 */
export function batchedMassReconnect(options: MassReconnectOptions): MassReconnectResult {
  const share = Math.ceil(options.clients / options.nodes);
  const each = standsFor(share, CLIENTS_SIMULATED_MAX, options.receiver.handshakesPerSecond);
  const result = simulateMassReconnect({
    ...options,
    ...ofFewer(options, each),
    clients: Math.ceil(share / each),
    nodes: 1,
  });
  return {
    ...result,
    attemptsPerSecondMax: result.attemptsPerSecondMax * each,
    setUpsPerSecondMax: result.setUpsPerSecondMax * each,
  };
}

/**
 * `simulateRollingDeploy` for many nodes. Of more than 20 nodes 20 are rolled, each with as many
 * sessions as in the fleet, and the time is extended to all; and where there would be more than
 * 100,000 sessions, one stands for several, as in `batchedMassReconnect`.
 */
export function batchedRollingDeploy(options: RollingDeployOptions): RollingDeployResult {
  const nodes = Math.min(options.nodes, NODES_SIMULATED_MAX);
  const sessions = (options.sessions * nodes) / options.nodes;
  const each = standsFor(
    sessions,
    SESSIONS_SIMULATED_MAX,
    options.node.receiver.handshakesPerSecond,
  );
  const result = simulateRollingDeploy({
    ...options,
    nodes,
    sessions: Math.round(sessions / each),
    perSecondMax: options.perSecondMax / each,
    node: { ...options.node, ...ofFewer(options.node, each) },
  });
  const factor = options.nodes / nodes;
  return {
    ...result,
    tookMs: result.tookMs * factor,
    cut: Math.round(result.cut * each * factor),
    attemptsPerSecondMax: result.attemptsPerSecondMax * each,
    doubledMax: Math.round(result.doubledMax * each),
    sessionsAtEnd: Math.round(result.sessionsAtEnd * each * factor),
  };
}

/** How many of `count` one stands for, so that about `wanted` are simulated. */
const standsFor = (count: number, wanted: number, handshakesPerSecond: number): number =>
  Math.max(1, Math.min(count / wanted, handshakesPerSecond / CAPACITY_MIN), count / SIMULATED_MAX);

/** A node whose every client stands for `each` of the real one. */
function ofFewer(
  { receiver, costs }: Pick<RollingNodeOptions, "receiver" | "costs">,
  each: number,
): Pick<RollingNodeOptions, "receiver" | "costs"> {
  return {
    receiver: {
      ...receiver,
      handshakesPerSecond: receiver.handshakesPerSecond / each,
      handshakesInFlightMax: Math.ceil(receiver.handshakesInFlightMax / each),
    },
    costs: {
      upgradeMs: costs.upgradeMs * each,
      connectMs: costs.connectMs * each,
      refuseMs: costs.refuseMs * each,
    },
  };
}
