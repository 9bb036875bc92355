// Owns: what a contract says to read a log of others: `sources: { plant: kafkaSource({ ... }) }`.
// Data alone: no client of any log is loaded.
import type { LogSourceDefinition } from "@holdfast/pipelines/source";
import type { KafkaSourceOptions } from "./source/kafka-source.ts";
import type { NatsSourceOptions } from "./source/nats-source.ts";

export type { KafkaSourceOptions, LogSourceDefinition, NatsSourceOptions };

/** Where records go, and how they are read. */
export type SourceInto = Omit<LogSourceDefinition, "source" | "options">;

/**
 * Reads topics of Kafka into channels. Each record is in its channel once, in the order of its
 * partition, if another node goes on within the broker's window for idempotency keys.
 */
export const kafkaSource = (
  options: KafkaSourceOptions,
  into: SourceInto,
): LogSourceDefinition => ({
  source: "kafka",
  options: { ...options },
  ...into,
});

/** Reads a stream of NATS JetStream into channels, as `kafkaSource` does. */
export const natsSource = (options: NatsSourceOptions, into: SourceInto): LogSourceDefinition => ({
  source: "nats",
  options: { ...options },
  ...into,
});
