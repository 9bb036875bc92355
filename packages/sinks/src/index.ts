// Owns: what a contract says to send results somewhere: `.to(webhook({ url }))`. Data alone: no
// client of any target is loaded.
import type { SinkBatching, SinkDefinition } from "@holdfast/pipelines/sink";
import type { FileOptions } from "./file/file.ts";
import type { KafkaOptions } from "./kafka/kafka.ts";
import type { MqttOptions } from "./mqtt/mqtt.ts";
import type { NatsOptions } from "./nats/nats.ts";
import type { PostgresOptions } from "./postgres/statement.ts";
import type { RedisStreamOptions } from "./redis-stream/redis-stream.ts";
import type { WebhookOptions } from "./webhook/webhook.ts";

export type {
  FileOptions,
  KafkaOptions,
  MqttOptions,
  NatsOptions,
  PostgresOptions,
  RedisStreamOptions,
  WebhookOptions,
};

const defined = (
  sink: string,
  options: object,
  batching: SinkBatching | undefined,
): SinkDefinition<unknown> => ({
  sink,
  options: options as Readonly<Record<string, unknown>>,
  ...(batching === undefined ? {} : { batching }),
});

/** Posts batches as JSON to an HTTP endpoint, signed. At least once: receivers look at ids. */
export const webhook = (options: WebhookOptions, batching?: SinkBatching) =>
  defined("webhook", options, batching);

/** Appends lines of JSON to a file for each partition. At least once. */
export const file = (options: FileOptions | string, batching?: SinkBatching) =>
  defined("file", typeof options === "string" ? { path: options } : options, batching);

/**
 * Puts rows into a table of PostgreSQL. With `key` or `idColumn` each record is there once,
 * whatever is repeated.
 */
export const postgres = (options: PostgresOptions, batching?: SinkBatching) =>
  defined("postgres", options, batching);

/** Sends to a topic of Kafka. At least once; the id is a header. */
export const kafka = (options: KafkaOptions, batching?: SinkBatching) =>
  defined("kafka", options, batching);

/** Publishes to a stream of NATS JetStream: once within the stream's window for duplicates. */
export const nats = (options: NatsOptions, batching?: SinkBatching) =>
  defined("nats", options, batching);

/** Adds to a stream of Redis or Valkey: once within `onceMs`. */
export const redisStream = (options: RedisStreamOptions, batching?: SinkBatching) =>
  defined("redisStream", options, batching);

/** Publishes to an MQTT broker with QoS 1 or 2. At least once; the id is a user property. */
export const mqtt = (options: MqttOptions, batching?: SinkBatching) =>
  defined("mqtt", options, batching);

/** Prints lines of JSON to standard output. At least once. */
export const stdout = (batching?: SinkBatching) => defined("stdout", {}, batching);
