// Owns: the listeners of a start that waits for its broker. Whoever looks after the process sees
// that it lives, that it is not ready, and why. Whoever orders it to drain is heard.
import { isRedisUrl } from "@holdfast/broker-redis";
import type { Broker } from "@holdfast/core";
import type { ServerEvents } from "../events.ts";
import { API_BASE, createHttpApi, OPERATION_PATHS, type ReadinessReport } from "../http/index.ts";
import type { Metrics } from "../metrics/index.ts";
import type { Config } from "../options/index.ts";
import { listenApi } from "../sockets/api-listener.ts";
import { EarlyOrders, waitingControl } from "./early-orders.ts";
import { listenInternal, portTaken } from "./internal-listener.ts";
import { openBroker } from "./open-broker.ts";

interface Waited {
  readonly broker: Broker;
  /** What was ordered meanwhile. */
  readonly orders: EarlyOrders;
}

/**
 * Opens the broker. Meanwhile `/livez` is 200, `/readyz` is 503, and `/metrics` has a node that is
 * not ready. On the public port the HTTP API takes orders, and everything else is answered 503. The
 * ports are free again when it settles. Throws StartError.
 */
export async function openBrokerListening(
  config: Config,
  nodeId: string,
  { events, metrics }: { readonly events: ServerEvents; readonly metrics: Metrics },
): Promise<Waited> {
  const seconds = Math.round(config.broker.startWaitMs / 1000);
  const detail = `the broker was not reached yet; the start waits for it for ${seconds} s at most`;
  const report: ReadinessReport = {
    ready: false,
    state: "starting",
    reasons: [{ reason: "broker", detail }],
  };
  const readiness = { check: async () => report };
  const listener = listenInternal(config, { readiness, metrics, events });
  const orders = new EarlyOrders(config, nodeId, metrics);
  let api: Stoppable | undefined;
  try {
    api = listenOrders(config, nodeId, { events, metrics, orders });
    const broker = await openBroker(config, nodeId, { events, recorder: metrics.recorder });
    return { broker, orders };
  } finally {
    await Promise.all([listener.stop(), api?.stop()]);
  }
}

interface Stoppable {
  stop(): Promise<void>;
}

/** Only if there is a wait, and somebody who may order. */
function listenOrders(
  config: Config,
  nodeId: string,
  parts: {
    readonly events: ServerEvents;
    readonly metrics: Metrics;
    readonly orders: EarlyOrders;
  },
): Stoppable | undefined {
  if (!isRedisUrl(config.broker.url) || config.apiKeys.length === 0) return undefined;
  const { events, metrics, orders } = parts;
  const answer = createHttpApi({
    control: waitingControl(config, nodeId, orders),
    keys: config.apiKeys,
    bodyBytesMax: config.apiBodyBytesMax,
    recorder: metrics.recorder,
    events,
  });
  try {
    return listenApi({
      ...config,
      api: { base: API_BASE, paths: OPERATION_PATHS, answer },
      onError: (where, error) => events.bug({ where, error }),
    });
  } catch (error) {
    throw portTaken("public", config.port, error);
  }
}
