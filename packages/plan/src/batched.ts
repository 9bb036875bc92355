// Owns: simulations of fleets of any size in bounded time, by approximation.
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
/**
 * Lowest handshake rate (A) of a simulated node: at a lower one, chance would matter more than in
 * the fleet.
 */
const CAPACITY_MIN = 100;
/**
 * At most so many clients are simulated: for a fleet that is far too small, a rough answer comes
 * soon.
 */
const SIMULATED_MAX = 300_000;

/**
 * `simulateMassReconnect` for many clients. Nodes are alike, so one of them is simulated with its
 * share of the clients. If that is more than 10,000, one simulated client stands for several. Then
 * the node takes as many times fewer handshakes a second, and each costs as many times more;
 * durations stay the same.
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
 * `simulateRollingDeploy` for many nodes. If there are more than 20 nodes, 20 are rolled, each with
 * as many sessions as in the fleet, and the time is extended to all. If there would be more than
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
