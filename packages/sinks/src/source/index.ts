// Re-exports of sources: logs of others that are read into channels.
export * from "./bridge.ts";
export { type KafkaSourceOptions, kafkaSourceAdapter, openKafkaSource } from "./kafka-source.ts";
export { type NatsSourceOptions, natsSourceAdapter, openNatsSource } from "./nats-source.ts";
export { SourceRunner } from "./runner.ts";
export * from "./source.ts";
