// Owns: starting a Holdfast node for a measurement: `holdfast serve` as it is shipped, but limits
// that would refuse the load are raised.
import { join } from "node:path";
import type { ServerCommand } from "./server-command.ts";

const MAIN = join(import.meta.dir, "../../apps/holdfast/src/main.ts");

export interface HoldfastPlace {
  readonly redisPort?: number;
  readonly connectionsMax: number;
  /** Publications that a channel keeps. Default: as shipped. */
  readonly historySize?: number;
}

export function holdfastCommand({
  redisPort,
  connectionsMax,
  historySize,
}: HoldfastPlace): ServerCommand {
  const many = "100000";
  return {
    command: [process.execPath, MAIN, "serve"],
    env: {
      HOLDFAST_HOST: "127.0.0.1",
      HOLDFAST_PORT: "0",
      HOLDFAST_INTERNAL_HOST: "127.0.0.1",
      HOLDFAST_INTERNAL_PORT: "0",
      HOLDFAST_AUTH_INSECURE: "true",
      HOLDFAST_AUTH_RESUME_SECRET: "what signs the resume tokens of a benchmark",
      HOLDFAST_CHANNELS: JSON.stringify({
        "{name}": {
          permissions: { subscribe: "anyone", publish: "anyone" },
          ...(historySize === undefined ? {} : { history: { size: historySize } }),
        },
      }),
      HOLDFAST_LIMITS_CONNECTIONS_MAX: String(connectionsMax),
      HOLDFAST_LIMITS_CONNECTIONS_PER_ADDRESS_MAX: String(connectionsMax),
      HOLDFAST_LIMITS_HANDSHAKES_IN_FLIGHT_MAX: String(connectionsMax),
      HOLDFAST_LIMITS_PUBLISHES_PER_SECOND_MAX: many,
      HOLDFAST_LIMITS_FRAMES_PER_SECOND_MAX: many,
      HOLDFAST_LIMITS_PUBLISHED_BYTES_PER_SECOND_MAX: "512MiB",
      HOLDFAST_LIMITS_RECEIVED_BYTES_PER_SECOND_MAX: "1GiB",
      HOLDFAST_LIMITS_ANSWERED_BYTES_PER_SECOND_MAX: "4GiB",
      HOLDFAST_LIMITS_NODE_PUBLISHED_BYTES_PER_SECOND_MAX: "16GiB",
      HOLDFAST_LIMITS_NODE_RECEIVED_BYTES_PER_SECOND_MAX: "16GiB",
      HOLDFAST_LIMITS_NODE_ANSWERED_BYTES_PER_SECOND_MAX: "16GiB",
      HOLDFAST_LIMITS_NODE_CHANNELS_PER_SECOND_MAX: many,
      HOLDFAST_LIMITS_NODE_PROCESSING_MS_PER_SECOND_MAX: "1000",
      HOLDFAST_ADMISSION_HANDSHAKES_PER_SECOND: many,
      ...(redisPort === undefined
        ? {}
        : {
            HOLDFAST_BROKER_URL: `redis://127.0.0.1:${redisPort}`,
            HOLDFAST_FLEET_REBALANCE: "false",
          }),
    },
  };
}
