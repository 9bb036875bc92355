// Owns: small limits for the door's tests, so that tests reach them.
import type { MqttSettings } from "./settings.ts";
import { SAME_NAMES } from "./topics.ts";

export const TEST_MQTT: MqttSettings = {
  topics: SAME_NAMES,
  keepAliveSecondsMax: 3600,
  receiveMax: 16,
  inFlightMax: 4,
  topicAliasMax: 4,
  filtersMax: 20,
  channelsMax: 8,
  lookMs: 1000,
};
