// Owns: the internal listener: health for the kubelet, figures for Prometheus.

import type { ServerEvents } from "../events.ts";
import { createInternalHandler, type Readiness } from "../http/index.ts";
import type { Metrics } from "../metrics/index.ts";
import type { Config } from "../options/index.ts";
import { StartError } from "./start-error.ts";

export interface InternalListener {
  readonly port: number;
  /** Resolves when the port is free. */
  stop(): Promise<void>;
}

/** Throws StartError if it cannot listen on the port. */
export function listenInternal(
  config: Config,
  parts: {
    readonly readiness: Pick<Readiness, "check">;
    readonly metrics: Metrics;
    readonly events: ServerEvents;
  },
): InternalListener {
  const { readiness, metrics, events } = parts;
  const handle = createInternalHandler({
    readiness,
    events,
    ...(config.metrics ? { metrics } : {}),
  });
  try {
    const server = Bun.serve({
      hostname: config.internalHost,
      port: config.internalPort,
      reusePort: config.reusePort,
      fetch: (request) => handle(request),
    });
    return { port: server.port ?? config.internalPort, stop: () => server.stop(true) };
  } catch (error) {
    throw portTaken("internal", config.internalPort, error);
  }
}

const VARIABLES = {
  public: "HOLDFAST_PORT",
  internal: "HOLDFAST_INTERNAL_PORT",
  mqtt: "HOLDFAST_MQTT_PORT",
  "mqtt tls": "HOLDFAST_MQTT_TLS_PORT",
};

export function portTaken(which: keyof typeof VARIABLES, port: number, cause: unknown): StartError {
  const why =
    (cause as { code?: unknown } | null)?.code === "EADDRINUSE"
      ? "another program has it"
      : "the system refused it";
  return new StartError(
    "port_unavailable",
    [
      `Cannot listen on ${which} port ${port}: ${why}, expected a free port (choose another with ${VARIABLES[which]})`,
    ],
    { cause },
  );
}
