// Owns: the broker suite's harness over real servers: a prefix of its own for each test, wires
// where nodes can be cut off.
import type { Broker } from "@holdfast/core";
import { createRedisBroker, type RedisLimits, systemClock, systemRandom } from "@holdfast/server";
import type { BrokerHarness } from "@holdfast/testkit/contract";
import { patience } from "../patience.ts";
import { layWire, type Wire } from "./wires.ts";

/** Times for tests: everything that is waited for in practice comes sooner. */
export const QUICK: Partial<RedisLimits> = {
  backoffMs: 5,
  backoffMsMax: 50,
  sweepMs: 100,
  reapAfterMs: 200,
  heartbeatMs: 200,
  // A silent server is found before a call gives up, also on a machine that is busy.
  stallMs: patience(1_000),
  requestMs: patience(5_000),
};

export function openBroker(
  url: string,
  limits: Partial<RedisLimits> = QUICK,
  startMs = 3_000,
): Promise<Broker> {
  const onBug = (error: unknown): void => {
    throw error;
  };
  return createRedisBroker({
    url,
    clock: systemClock,
    random: systemRandom,
    limits,
    onBug,
    startMs,
  });
}

/**
 * Every test has the servers for itself: keys of a prefix of its own, which the documented account
 * may use.
 */
export const freshPrefix = (): string => `hf:t${systemRandom.id().slice(0, 10)}:`;

/** `cuttable`: the port of the only server, which nodes then reach over wires. */
export function makeHarness(url: string, cuttable?: number): BrokerHarness {
  const query = `?prefix=${freshPrefix()}`;
  const nodes = new Map<string, { readonly broker: Broker; readonly wire: Wire | undefined }>();
  return {
    async connect(nodeId) {
      const wire = cuttable === undefined ? undefined : await layWire(cuttable);
      const near = wire === undefined ? url : url.replace(/:\d+$/, `:${wire.port}`);
      const broker = await openBroker(near + query);
      nodes.set(nodeId, { broker, wire });
      return broker;
    },
    advance: (ms) => Bun.sleep(ms),
    ...(cuttable === undefined
      ? {}
      : {
          reach: {
            async cut(nodeId) {
              const node = nodes.get(nodeId);
              node?.wire?.cut();
              // Cut is cut when the node has noticed.
              for (let tries = 0; tries < 1000; tries++) {
                const isReached = await node?.broker.probe().then(
                  () => true,
                  () => false,
                );
                if (isReached !== true) return;
              }
            },
            heal: async (nodeId) => nodes.get(nodeId)?.wire?.heal(),
          },
        }),
    async close() {
      for (const { broker, wire } of nodes.values()) {
        await broker.close();
        await wire?.close();
      }
    },
  };
}
