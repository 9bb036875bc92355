// Owns: the effects of losing a node, a zone or every connection: the survivors' load, and how long
// until all clients are back.
import { serverWindowMs } from "@holdfast/core";
import { batchedMassReconnect } from "./batched.ts";
import type { Calibration } from "./calibration.ts";
import { loadOfNode, type NodeLoad } from "./load.ts";
import type { MassReconnectOptions, MassReconnectResult } from "./mass-reconnect.ts";
import type { ReceivingNodeSettings, SetUpCosts } from "./receiving-node.ts";
import { NODE_SETTINGS, type Scenario } from "./scenario.ts";
import { nodesLost } from "./sizing.ts";

export interface Loss {
  readonly name: "node" | "zone" | "everyone";
  readonly clientsLost: number;
  readonly nodesLeft: number;
  /** Of each node that is left, with everyone back. */
  readonly load: NodeLoad;
  /** The window that clients had been told: what the loss of one node needs. */
  readonly windowMs: number;
  readonly massReconnect: MassReconnectResult;
}

/**
 * All connections lost at once, under the real rules and under others. On these nodes a handshake
 * costs as much CPU as the configured rate (A) says, and no less than was measured. TLS, tokens,
 * hooks and databases can make it cost so much.
 */
export interface Comparison {
  /** The real rules: the window of one node's loss, and admission. */
  readonly asIs: MassReconnectResult;
  /** Clients that had been told a window for everyone at once, 1.3 N/A. */
  readonly fullWindow: MassReconnectResult;
  /** No window was told to clients; real admission. */
  readonly withoutWindow: MassReconnectResult;
  /** Neither window nor admission: exponential backoff with full jitter and a cap of 30 s. */
  readonly neither: MassReconnectResult;
  readonly fullWindowMs: number;
}

interface Question {
  readonly scenario: Scenario;
  readonly calibration: Calibration;
  readonly nodes: number;
}

const HORIZON_MS = 30 * 60_000;
const EVENTS_MAX = 2_000_000;
const NETWORK_MS = 20;
const FIT_FACTOR = 1.5;

export function receiverOf({ node }: Scenario): ReceivingNodeSettings {
  const { resumeReserve, handshakesInFlightMax, lagMsMax, figuresMs } = NODE_SETTINGS;
  return {
    handshakesPerSecond: node.handshakesPerSecond,
    resumeReserve,
    handshakesInFlightMax,
    lagMsMax,
    figuresMs,
    admits: true,
  };
}

/** Of one client, on as much of a core as the node has. */
export function costsOf({ node, demand }: Scenario, calibration: Calibration): SetUpCosts {
  const msForUs = 1 / 1000 / Math.min(1, node.cores);
  return {
    upgradeMs: calibration.upgradeUs * msForUs,
    connectMs: (calibration.connectUs + calibration.subscribeUs * demand.roomsPerClient) * msForUs,
    refuseMs: calibration.refuseUs * msForUs,
  };
}

/**
 * The loss of a node, of a zone if there are several, and of all connections at once (the balancer
 * in front restarts).
 */
export function lossesOf(question: Question): readonly Loss[] {
  const { scenario, nodes } = question;
  const { clients } = scenario.demand;
  const inZone = nodesLost(nodes, scenario.fleet.zones);
  const losses: Loss[] = [];
  if (nodes > 1) losses.push(lossOf(question, { name: "node", lost: 1 }));
  if (scenario.fleet.zones > 1 && nodes > inZone)
    losses.push(lossOf(question, { name: "zone", lost: inZone }));
  const windowMs = windowTold(question);
  const load = loadOfNode({ ...scenario, calibration: question.calibration }, nodes);
  const massReconnect = batchedMassReconnect(
    stormOf(question, { clients, nodesLeft: nodes, windowMs }),
  );
  return [
    ...losses,
    { name: "everyone", clientsLost: clients, nodesLeft: nodes, load, windowMs, massReconnect },
  ];
}

function lossOf(
  question: Question,
  { name, lost }: { readonly name: "node" | "zone"; readonly lost: number },
): Loss {
  const { scenario, calibration, nodes } = question;
  const nodesLeft = nodes - lost;
  const clientsLost = Math.round((scenario.demand.clients * lost) / nodes);
  const windowMs = windowTold(question);
  const massReconnect = batchedMassReconnect(
    stormOf(question, { clients: clientsLost, nodesLeft, windowMs }),
  );
  return {
    name,
    clientsLost,
    nodesLeft,
    load: loadOfNode({ ...scenario, calibration }, nodesLeft),
    windowMs,
    massReconnect,
  };
}

/** All connections at once, under the real rules and under others. */
export function compareStorms(question: Question): Comparison {
  const { scenario, nodes } = question;
  const { clients } = scenario.demand;
  const all = { clients, nodesLeft: nodes };
  const fullWindowMs = serverWindowMs(
    clients,
    nodes * scenario.node.handshakesPerSecond,
    NODE_SETTINGS.windowMinMs,
  );
  const asIs = withTrueA(stormOf(question, { ...all, windowMs: windowTold(question) }));
  const withoutWindow = { ...asIs, windowMs: 0, windowLeastMs: 0 };
  return {
    asIs: batchedMassReconnect(asIs),
    fullWindow: batchedMassReconnect({
      ...asIs,
      windowMs: fullWindowMs,
      windowLeastMs: fullWindowMs,
    }),
    withoutWindow: batchedMassReconnect(withoutWindow),
    neither: batchedMassReconnect({
      ...withoutWindow,
      receiver: { ...withoutWindow.receiver, admits: false },
    }),
    fullWindowMs,
  };
}

/**
 * The same, but handshakes cost so much that the CPU left by deliveries is just enough for A of
 * them a second.
 */
function withTrueA(options: MassReconnectOptions): MassReconnectOptions {
  const { costs, background, receiver } = options;
  const wholeMs = ((1 - background) * 1000) / receiver.handshakesPerSecond;
  return {
    ...options,
    costs: { ...costs, connectMs: Math.max(costs.connectMs, wholeMs - costs.upgradeMs) },
  };
}

/**
 * A client is told a new window when the one that it knows is 1.5 times longer or shorter and
 * differs by more than the least (packages/core/src/drain/window-advice.ts): so the window that it
 * knows is between these.
 */
export function windowsKnown(windowMs: number): {
  readonly windowMs: number;
  readonly windowLeastMs: number;
} {
  const { windowMinMs } = NODE_SETTINGS;
  return {
    windowMs,
    windowLeastMs: Math.max(
      Math.min(windowMs, windowMinMs),
      Math.min(windowMs - windowMinMs, windowMs / FIT_FACTOR),
    ),
  };
}

/** What every node tells its clients: the window for its own loss, by A of the others. */
function windowTold({ scenario, nodes }: Question): number {
  const { demand, node } = scenario;
  return serverWindowMs(
    demand.clients / nodes,
    Math.max(1, nodes - 1) * node.handshakesPerSecond,
    NODE_SETTINGS.windowMinMs,
  );
}

function stormOf(
  { scenario, calibration }: Question,
  storm: { readonly clients: number; readonly nodesLeft: number; readonly windowMs: number },
): MassReconnectOptions {
  return {
    clients: storm.clients,
    nodes: storm.nodesLeft,
    balancer: scenario.fleet.balancer,
    receiver: receiverOf(scenario),
    costs: costsOf(scenario, calibration),
    background: Math.min(1, loadOfNode({ ...scenario, calibration }, storm.nodesLeft).cpuShare),
    ...windowsKnown(storm.windowMs),
    connectTimeoutMs: NODE_SETTINGS.connectTimeoutMs,
    networkMs: NETWORK_MS,
    horizonMs: HORIZON_MS,
    eventsMax: EVENTS_MAX,
    seed: scenario.fleet.seed,
  };
}
