// Re-exports of the comparisons of telemetry: their page for the tools, their parts for tests.
export { type Results, resultPath, telemetryFiles } from "./generated.ts";
export { Brokers } from "./mqtt/brokers.ts";
export { measureFlow } from "./mqtt/flow.ts";
export { measureMemory } from "./mqtt/memory.ts";
export { BROKER_NAMES } from "./mqtt/rivals.ts";
export { Engines, TOPICS } from "./pipelines/engines.ts";
export { Feed } from "./pipelines/feed.ts";
export { measurePipeline } from "./pipelines/flow.ts";
export { ENGINE_NAMES } from "./pipelines/rivals.ts";
export { SUBJECT_NAMES } from "./subject.ts";
