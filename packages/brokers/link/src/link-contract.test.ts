import { type Broker, type Clock, createMemoryBroker } from "@holdfast/core";
import { systemClock } from "@holdfast/server";
import { createManualClock, createSeededRandom } from "@holdfast/testkit";
import { type BrokerHarness, describeBroker } from "@holdfast/testkit/contract";
import { connectLink, createLinkServer, type LinkPlace } from "./index.ts";
import { layWire, type Wire } from "./testing/wire.ts";

/** The broker's time stands still but for `advance`; the links live in real time. */
async function makeLinked(place: LinkPlace): Promise<BrokerHarness> {
  const manual = createManualClock();
  const brokerClock: Clock = { ...manual, defer: systemClock.defer };
  const random = createSeededRandom("link contract");
  const broker = createMemoryBroker({ clock: brokerClock, random });
  const server = await createLinkServer({ broker, clock: systemClock, place });
  const nodes = new Map<string, { readonly client: Broker; readonly wire: Wire }>();
  return {
    async connect(nodeId) {
      const wire = await layWire(server.endpoint);
      const client = await connectLink({
        endpoint: wire.endpoint,
        nodeId,
        clock: systemClock,
        random,
        limits: { backoffMs: 2, backoffMsMax: 10 },
      });
      nodes.set(nodeId, { client, wire });
      return client;
    },
    advance: async (ms) => manual.advance(ms),
    reach: {
      async cut(nodeId) {
        const node = nodes.get(nodeId);
        node?.wire.cut();
        // Cut is cut when the node has noticed.
        for (let tries = 0; tries < 1000; tries++) {
          const reached = await node?.client.probe().then(
            () => true,
            () => false,
          );
          if (!reached) return;
        }
      },
      heal: async (nodeId) => nodes.get(nodeId)?.wire.heal(),
    },
    async close() {
      for (const { client, wire } of nodes.values()) {
        await client.close();
        await wire.close();
      }
      await server.close();
      broker.close();
    },
  };
}

describeBroker("link over a unix socket", () => makeLinked({ kind: "unix" }));
describeBroker("link over loopback TCP", () => makeLinked({ kind: "tcp" }));
