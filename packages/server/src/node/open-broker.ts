// Owns: opening the broker that option broker.url names.

import {
  createRedisBroker,
  describePlace,
  isRedisUrl,
  parseRedisUrl,
  type RedisBrokerEvent,
  RedisUrlError,
} from "@holdfast/broker-redis";
import { type Broker, BrokerError, createMemoryBroker } from "@holdfast/core";
import type { ServerEvents } from "../events.ts";
import type { ServerRecorder } from "../metrics/index.ts";
import type { Config } from "../options/index.ts";
import { StartError } from "./start-error.ts";
import { systemClock, systemRandom } from "./system.ts";

export interface BrokerPorts {
  readonly events: ServerEvents;
  readonly recorder: ServerRecorder;
}

/** Who reads the log of a start that waits learns of it again after this time. */
const SAY_AGAIN_MS = 30_000;

/**
 * Waits for the broker for up to `broker.startWaitMs`; when it resolves, the broker was reached.
 * Throws StartError; its text never holds a password.
 */
export async function openBroker(
  config: Config,
  nodeId: string,
  ports: BrokerPorts,
): Promise<Broker> {
  const { events } = ports;
  const onBug = (error: unknown): void => events.bug({ where: "broker", error });
  const { url } = config.broker;
  if (!isRedisUrl(url))
    return createMemoryBroker({ clock: systemClock, random: systemRandom, onBug }).connect(nodeId);
  try {
    return await createRedisBroker({
      url,
      clock: systemClock,
      random: systemRandom,
      onBug,
      startMs: config.broker.startWaitMs,
      onEvent: tellStart(config.broker.startWaitMs, ports),
    });
  } catch (error) {
    if (error instanceof RedisUrlError) throw new StartError("broker_unsuitable", [error.message]);
    const found = error instanceof BrokerError ? error.message : "an unexpected error";
    const place = describePlace(parseRedisUrl(url));
    if (error instanceof BrokerError && error.code === "refused") {
      throw new StartError("broker_unsuitable", [`Cannot use the broker at ${place}: ${found}`], {
        cause: error,
      });
    }
    throw new StartError("broker_unavailable", [`Cannot reach the broker at ${place}: ${found}`], {
      cause: error,
    });
  }
}

/** Until the broker is reached, failed attempts are the news. */
function tellStart(atMostMs: number, ports: BrokerPorts): (event: RedisBrokerEvent) => void {
  const sinceMs = systemClock.nowMs();
  let reached = false;
  let saidMs = Number.NEGATIVE_INFINITY;
  return (event) => {
    reached ||= event.kind === "reached";
    const nowMs = systemClock.nowMs();
    if (reached || event.kind !== "failed" || nowMs - saidMs < SAY_AGAIN_MS) {
      tell(event, ports);
      return;
    }
    saidMs = nowMs;
    const waitedMs = Math.round(nowMs - sinceMs);
    ports.events.brokerAwaited({ reason: event.reason, waitedMs, atMostMs });
  };
}

function tell(event: RedisBrokerEvent, { events, recorder }: BrokerPorts): void {
  switch (event.kind) {
    case "reached":
      return events.brokerReached();
    case "lost":
      recorder.brokerLost();
      return events.brokerLost({ reason: event.reason });
    case "failed":
      return events.brokerFailed({ reason: event.reason });
    case "warning":
      return events.brokerWarning({ message: event.message });
  }
}
