import type { MemoryBrokerNode } from "@holdfast/core";
import { createMemoryBroker } from "@holdfast/core";
import { createManualClock, createSeededRandom } from "@holdfast/testkit";
import { type BrokerHarness, describeBroker } from "@holdfast/testkit/contract";

async function makeMemory(): Promise<BrokerHarness> {
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: createSeededRandom("contract") });
  const nodes = new Map<string, MemoryBrokerNode>();
  return {
    async connect(nodeId) {
      const node = broker.connect(nodeId);
      nodes.set(nodeId, node);
      return node;
    },
    advance: async (ms) => clock.advance(ms),
    settle: async () => clock.flush(),
    reach: {
      cut: async (nodeId) => nodes.get(nodeId)?.cut(),
      heal: async (nodeId) => nodes.get(nodeId)?.heal(),
    },
    close: async () => broker.close(),
  };
}

describeBroker("memory", makeMemory);
