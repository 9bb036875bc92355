// Owns: the adapters of a node, by kind, and what runs its sources.
import type { SinkAdapter } from "@holdfast/pipelines/sink";
import { fileAdapter, stdoutAdapter } from "./file/file.ts";
import { kafkaAdapter } from "./kafka/kafka.ts";
import { mqttAdapter } from "./mqtt/mqtt.ts";
import { natsAdapter } from "./nats/nats.ts";
import { postgresAdapter } from "./postgres/postgres.ts";
import { redisStreamAdapter } from "./redis-stream/redis-stream.ts";
import { kafkaSourceAdapter } from "./source/kafka-source.ts";
import { natsSourceAdapter } from "./source/nats-source.ts";
import type { SourceAdapter } from "./source/source.ts";
import { webhookAdapter } from "./webhook/webhook.ts";

export * from "./source/index.ts";

export interface AdapterNeeds {
  /** Prints lines to standard output; resolves when its reader has them. */
  readonly print: (lines: string) => Promise<void>;
}

/** Every adapter of this package. Clients of targets are loaded with the first write. */
export const sinkAdapters = ({ print }: AdapterNeeds): readonly SinkAdapter[] => [
  webhookAdapter(),
  fileAdapter,
  stdoutAdapter(print),
  postgresAdapter(),
  kafkaAdapter(),
  natsAdapter(),
  redisStreamAdapter(),
  mqttAdapter(),
];

/** Every log that this package reads. */
export const sourceAdapters: readonly SourceAdapter[] = [kafkaSourceAdapter, natsSourceAdapter];
