// Re-exports of the door for MQTT.
export { createMqttDoor, MQTT_SUBPROTOCOL, type MqttDoor, type MqttNeeds } from "./door.ts";
export type { Accepted, MqttObserver } from "./door-parts.ts";
export type { MqttSettings } from "./settings.ts";
export {
  type PayloadForm,
  SAME_NAMES,
  TOPIC_ROWS_MAX,
  type TopicRow,
  topicRowProblem,
} from "./topics.ts";
export type { MqttFigures } from "./totals.ts";
