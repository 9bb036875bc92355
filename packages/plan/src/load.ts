// Owns: the load of one node of a fleet, and of their Redis: arithmetic on measured figures.
import { type Calibration, deliveryUs } from "./calibration.ts";
import { type Demand, NODE_SETTINGS, type NodeSize } from "./scenario.ts";

export interface NodeLoad {
  readonly connections: number;
  readonly channels: number;
  readonly deliveriesPerSecond: number;
  /** Publications a second that reach the node. */
  readonly publicationsPerSecond: number;
  /** Share of one core (or less, if a node has less). */
  readonly cpuShare: number;
  readonly memoryBytes: number;
  /** Of that, the kernel's. */
  readonly kernelBytes: number;
  /** Set-ups a second that the free part of the CPU can do. */
  readonly setUpsPerSecondMax: number;
}

/** Chance that a node of n has a subscriber of a room of k: 1 - (1 - 1/n)^k. */
export const nodeHasRoom = (nodes: number, roomSize: number): number =>
  1 - (1 - 1 / nodes) ** roomSize;

export const roomsOf = ({ clients, roomsPerClient, roomSize }: Demand): number =>
  (clients * roomsPerClient) / roomSize;

/** CPU of one client that comes back and is admitted. */
export const setUpUs = (calibration: Calibration, { roomsPerClient }: Demand): number =>
  calibration.upgradeUs + calibration.connectUs + calibration.subscribeUs * roomsPerClient;

/** The load of each of `nodes` nodes that share the demand evenly. */
export function loadOfNode(
  input: { readonly demand: Demand; readonly node: NodeSize; readonly calibration: Calibration },
  nodes: number,
): NodeLoad {
  const { demand, node, calibration } = input;
  const { clients, publishesPerSecond, roomSize, roomsPerClient, dataBytes } = demand;
  const connections = clients / nodes;
  const has = nodeHasRoom(nodes, roomSize);
  const deliveriesPerSecond = (publishesPerSecond * roomSize) / nodes;
  const publicationsPerSecond = publishesPerSecond * has;
  const usPerSecond =
    calibration.nodeIdleUs +
    (publishesPerSecond / nodes) * calibration.brokerPublishUs +
    publicationsPerSecond * (calibration.publicationUs + calibration.brokerReceiveUs) +
    deliveriesPerSecond * deliveryUs(calibration, connections);
  const cpuShare = usPerSecond / 1e6 / Math.min(1, node.cores);
  const channels = roomsOf(demand) * has;
  const ringBytes = Math.min(
    NODE_SETTINGS.ringBytesMax,
    NODE_SETTINGS.ringPublicationsMax * (dataBytes + calibration.ringPublicationBytes),
  );
  const kernelBytes = connections * calibration.socketBytes;
  const residentBytes =
    calibration.nodeBytes +
    connections * (calibration.connectionBytes + roomsPerClient * calibration.subscriptionBytes) +
    channels * ringBytes;
  return {
    connections,
    channels,
    deliveriesPerSecond,
    publicationsPerSecond,
    cpuShare,
    memoryBytes: residentBytes + kernelBytes,
    kernelBytes,
    setUpsPerSecondMax:
      (Math.max(0, 1 - cpuShare) * Math.min(1, node.cores) * 1e6) / setUpUs(calibration, demand),
  };
}

export interface RedisLoad {
  readonly publishesPerSecond: number;
  /** Messages a second to all nodes. */
  readonly messagesPerSecond: number;
  readonly inBytesPerSecond: number;
  readonly outBytesPerSecond: number;
  /** Of the one thread that runs commands. */
  readonly threadShare: number;
  readonly memoryBytes: number;
  /** Primaries at half their thread each. */
  readonly primaries: number;
}

const THREAD_SHARE_MAX = 0.5;

/**
 * What the nodes ask of Redis: one script for each publish, one message for each node that has the
 * room.
 */
export function loadOfRedis(demand: Demand, calibration: Calibration, nodes: number): RedisLoad {
  const { publishesPerSecond, roomSize, dataBytes, historySize } = demand;
  const listeners = nodes * nodeHasRoom(nodes, roomSize);
  const rooms = roomsOf(demand);
  const kept =
    calibration.redisChannelBytes +
    Math.max(0, historySize - 1) * (dataBytes + calibration.redisPublicationBytes);
  const messagesPerSecond = publishesPerSecond * listeners;
  const threadShare =
    (publishesPerSecond * calibration.redisPublishUs +
      messagesPerSecond * calibration.redisMessageUs) /
    1e6;
  return {
    publishesPerSecond,
    messagesPerSecond,
    inBytesPerSecond: publishesPerSecond * (dataBytes + calibration.redisInBytes),
    outBytesPerSecond: messagesPerSecond * (dataBytes + calibration.redisOutBytes),
    threadShare,
    memoryBytes: rooms * (kept + listeners * calibration.redisListenerBytes),
    primaries: Math.max(1, Math.ceil(threadShare / THREAD_SHARE_MAX)),
  };
}
