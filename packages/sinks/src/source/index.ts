// Re-exports of sources: logs of others that are read into channels.
export * from "./bridge.ts";
export { type KafkaSourceOptions, kafkaSource } from "./kafka-source.ts";
export { type NatsSourceOptions, natsSource } from "./nats-source.ts";
export * from "./source.ts";
