// Owns: the rows of the option table for the MQTT door. Nothing of it is open by default.
import { duration, integer, list, structured } from "@holdfast/config";
import { MQTT_TOPICS_ALLOWED, readTopics, type TopicMap } from "./mqtt-topics.ts";

/** How clients of MQTT may reach a node. */
export const MQTT_TRANSPORTS = ["tcp", "websocket"] as const;
export type MqttTransport = (typeof MQTT_TRANSPORTS)[number];

const SAME_NAMES: TopicMap = { "#topic": { channel: "{topic}" } };
/** What MQTT can say: 65,535 s. */
const KEEP_ALIVE_MS_MAX = 65_535_000;

export const MQTT_OPTIONS = {
  transports: list<MqttTransport>({
    default: [],
    allowed: MQTT_TRANSPORTS.join(", "),
    countMax: MQTT_TRANSPORTS.length,
    check: (word): word is MqttTransport => MQTT_TRANSPORTS.some((name) => name === word),
    description:
      "How clients of MQTT may connect: `tcp` on mqtt.port, `websocket` with subprotocol `mqtt` on the public listener. If it is empty, the node speaks no MQTT.",
  }),
  port: integer({
    default: 1883,
    min: 0,
    max: 65_535,
    description: "Port of MQTT over TCP, on the address of option host. 0 takes a free port.",
  }),
  topics: structured({
    kind: "map",
    default: SAME_NAMES,
    allowed: MQTT_TOPICS_ALLOWED,
    read: readTopics,
    description:
      "Which channel a topic is in: patterns such as `telemetry/+site/#rest` and channels such as `telemetry:{site}`. The first pattern that matches decides. By default every topic is the channel of the same name.",
  }),
  keepAliveMsMax: duration({
    default: KEEP_ALIVE_MS_MAX,
    min: 1000,
    max: KEEP_ALIVE_MS_MAX,
    description:
      "Longest keep alive of a client; clients of MQTT 5 are told. 1.5 times that without a packet ends a connection. The default is the longest that MQTT can say, so clients get what they ask for.",
  }),
  receiveMax: integer({
    default: 100,
    min: 1,
    max: 65_535,
    description:
      "Messages of QoS 1 and 2 that a client may send before the first is acknowledged. 100 keep a client busy over 100 ms of round trip at 1,000 messages per second.",
  }),
  inFlightMax: integer({
    default: 100,
    min: 1,
    max: 65_535,
    description:
      "Messages of QoS 1 and 2 that a client is sent before it acknowledges the first. Clients of MQTT 5 may ask for fewer.",
  }),
  topicAliasMax: integer({
    default: 16,
    min: 0,
    max: 1000,
    description: "Topic aliases of a connection in each direction. 0 allows none.",
  }),
} as const;
