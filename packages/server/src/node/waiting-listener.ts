// Owns: the internal listener of a start that waits for its broker. Whoever looks after the process
// sees that it lives, that it is not ready, and why.
import type { Broker } from "@holdfast/core";
import type { ServerEvents } from "../events.ts";
import type { ReadinessReport } from "../http/index.ts";
import type { Metrics } from "../metrics/index.ts";
import type { Config } from "../options/index.ts";
import { listenInternal } from "./internal-listener.ts";
import { openBroker } from "./open-broker.ts";

/**
 * Opens the broker. Meanwhile `/livez` is 200, `/readyz` is 503, and `/metrics` has a node that is
 * not ready. The port is free again when it settles. Throws StartError.
 */
export async function openBrokerListening(
  config: Config,
  nodeId: string,
  { events, metrics }: { readonly events: ServerEvents; readonly metrics: Metrics },
): Promise<Broker> {
  const seconds = Math.round(config.broker.startWaitMs / 1000);
  const detail = `the broker was not reached yet; the start waits for it for ${seconds} s at most`;
  const report: ReadinessReport = {
    ready: false,
    state: "starting",
    reasons: [{ reason: "broker", detail }],
  };
  const readiness = { check: async () => report };
  const listener = listenInternal(config, { readiness, metrics, events });
  try {
    return await openBroker(config, nodeId, { events, recorder: metrics.recorder });
  } finally {
    await listener.stop();
  }
}
