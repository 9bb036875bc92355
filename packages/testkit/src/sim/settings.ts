// Owns: the settings of simulated nodes: small limits, so that small runs reach them.
// A connection's budgets of bytes are either a 64th of their defaults, as `flow.lagBytes` is, or
// more than anybody uses. With less than a 512th, the busiest clients of a run publish more than
// they may for as long as it lasts: nobody is cut, but their publishes wait for longer than it.
import type { NodeSettings, SeededRandom } from "@holdfast/core";

export type DrawnSettings = Omit<NodeSettings, "nodeId">;

export function drawSettings(random: SeededRandom): DrawnSettings {
  return {
    revision: "simulated",
    limits: {
      messageBytesMax: 16_384,
      dataBytesMax: 8192,
      subscriptionsMax: 50,
      channelLengthMax: 100,
      publishesPerSecondMax: random.chance(0.2) ? 12 : 100,
      rpcsPerSecondMax: 50,
      framesPerSecondMax: 400,
      publishedBytesPerSecondMax: random.fork("published").pick([16_384, 1_000_000]),
      receivedBytesPerSecondMax: random.pick([32_768, 1_000_000]),
      answeredBytesPerSecondMax: random.pick([65_536, 1_000_000]),
      burstFactor: 4,
      rpcsInFlightMax: 16,
      connectionsMax: 1000,
      connectionsPerAddressMax: 50,
      connectionsPerUserMax: 50,
      membersMax: 1000,
      presencePerConnectionMax: 20,
      handshakesInFlightMax: 1000,
      keptBytesPerUserMax: 100_000_000,
      nodeReceivedBytesPerSecondMax: random.pick([100_000, 10_000_000]),
      nodeAnsweredBytesPerSecondMax: random.pick([200_000, 10_000_000]),
      nodePublishedBytesPerSecondMax: 10_000_000,
      nodeChannelsPerSecondMax: random.pick([20, 1000]),
      nodeProcessingMsPerSecondMax: 500,
    },
    timeouts: {
      handshakeMs: 5000,
      idleMs: 12_000,
      pingMs: 4000,
      rpcMs: 5000,
      presenceGraceMs: 4000,
      presenceLeaseMs: 9000,
      presenceCoalesceMs: random.pick([0, 50, 300]),
      resumeTtlMs: random.pick([8000, 60_000]),
      clockSkewMs: 0,
    },
    flow: {
      lagBytes: 4096,
      queueBytesMax: 65_536,
      lagMsMax: random.pick([2000, 20_000]),
      slowMs: 250,
      chunkBytes: random.pick([500, 4096]),
      groupFrom: random.pick([1, 2, 4, 1000]),
    },
    ring: { publicationsMax: random.pick([0, 3, 100]), bytesMax: random.pick([2000, 100_000]) },
    admission: {
      handshakesPerSecond: random.pick([3, 20, 200]),
      resumeReserve: random.pick([0, 0.2, 0.5]),
      windowMinMs: random.pick([0, 300, 1500]),
    },
    fleet: {
      figuresMs: 500,
      nodeLeaseMs: 2500,
      lagMsMax: 250,
      askMs: 500,
      rebalance: random.chance(0.5),
      rebalanceTolerance: 0.1,
      rebalanceSessionsMin: 2,
      rebalancePerSecond: random.pick([2, 20]),
      rebalanceCooldownMs: 3000,
    },
    drain: { preDelayMs: 0, windowMs: 5000, perSecondMax: random.pick([2, 20, 200]) },
  };
}
