import { afterAll } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Broker, type Clock, createMemoryBroker } from "@holdfast/core";
import { createManualClock, createSeededRandom } from "@holdfast/testkit";
import { type BrokerHarness, describeBroker } from "@holdfast/testkit/contract";
import { connectLink, createLinkServer, type LinkEndpoint, type LinkPlace } from "./index.ts";
import { realClock } from "./testing.ts";

const directory = await mkdtemp(join(tmpdir(), "holdfast-test-"));
afterAll(() => rm(directory, { recursive: true }));
let wires = 0;

/** A wire between a node and the supervisor that can be cut for as long as the test wants. */
async function layWire(to: LinkEndpoint) {
  const ends = new Set<Socket>();
  let isCut = false;
  wires += 1;
  const path = join(directory, `${wires}.sock`);
  const server = createServer((near) => {
    if (isCut) return near.destroy();
    const far = connect(to.address.kind === "unix" ? { path: to.address.path } : { host: to.address.host, port: to.address.port });
    for (const [end, other] of [[near, far] as const, [far, near] as const]) {
      ends.add(end);
      end.pipe(other);
      end.on("error", () => {});
      end.on("close", () => {
        ends.delete(end);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen({ path }, resolve));
  const cut = (): void => {
    isCut = true;
    for (const end of ends) end.destroy();
  };
  return {
    endpoint: { secret: to.secret, address: { kind: "unix", path } } satisfies LinkEndpoint,
    cut,
    heal: () => {
      isCut = false;
    },
    close: () => {
      cut();
      server.close();
    },
  };
}

/** The broker's time stands still but for `advance`; the links live in real time. */
async function makeLinked(place: LinkPlace): Promise<BrokerHarness> {
  const manual = createManualClock();
  const brokerClock: Clock = { ...manual, defer: realClock.defer };
  const random = createSeededRandom("link contract");
  const broker = createMemoryBroker({ clock: brokerClock, random });
  const server = await createLinkServer({ broker, clock: realClock, place });
  const nodes = new Map<string, { readonly client: Broker; readonly wire: Awaited<ReturnType<typeof layWire>> }>();
  return {
    async connect(nodeId) {
      const wire = await layWire(server.endpoint);
      const client = await connectLink({
        endpoint: wire.endpoint,
        nodeId,
        clock: realClock,
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
        wire.close();
      }
      await server.close();
      broker.close();
    },
  };
}

describeBroker("link over a unix socket", () => makeLinked({ kind: "unix" }));
describeBroker("link over loopback TCP", () => makeLinked({ kind: "tcp" }));
