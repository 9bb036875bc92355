// Owns: the rows of the option table for the MQTT door. Nothing of it is open by default.
import { choice, duration, integer, list, optionalText, structured } from "@holdfast/config";
import { MQTT_TOPICS_ALLOWED, readTopics, type TopicMap } from "./mqtt-topics.ts";

/** How clients of MQTT may reach a node. */
export const MQTT_TRANSPORTS = ["tcp", "tls", "websocket"] as const;
export type MqttTransport = (typeof MQTT_TRANSPORTS)[number];

const SAME_NAMES: TopicMap = { "#topic": { channel: "{topic}" } };
const DAY_MS = 86_400_000;
/** What MQTT can say: 65,535 s. */
const KEEP_ALIVE_MS_MAX = 65_535_000;

export const MQTT_OPTIONS = {
  transports: list<MqttTransport>({
    default: [],
    allowed: MQTT_TRANSPORTS.join(", "),
    countMax: MQTT_TRANSPORTS.length,
    check: (word): word is MqttTransport => MQTT_TRANSPORTS.some((name) => name === word),
    description:
      "How clients of MQTT may connect: `tcp` on mqtt.port, `tls` on mqtt.tlsPort, `websocket` with subprotocol `mqtt` on the public listener. If it is empty, the node speaks no MQTT.",
  }),
  port: integer({
    default: 1883,
    min: 0,
    max: 65_535,
    description: "Port of MQTT over TCP, on the address of option host. 0 takes a free port.",
  }),
  tlsPort: integer({
    default: 8883,
    min: 0,
    max: 65_535,
    description: "Port of MQTT over TLS, on the address of option host. 0 takes a free port.",
  }),
  tls: {
    certFile: optionalText({
      allowed: "a path",
      description: "PEM certificate chain of MQTT over TLS. If it is absent, tls.certFile is used.",
    }),
    keyFile: optionalText({
      allowed: "a path",
      description: "PEM private key that belongs to it. If it is absent, tls.keyFile is used.",
    }),
    clientCaFile: optionalText({
      allowed: "a path",
      description: "PEM certificates of the authorities whose client certificates are accepted.",
    }),
    clientCertificates: choice({
      of: ["none", "optional", "required"],
      default: "none",
      description:
        "Whether clients prove who they are by certificates. `optional`: whoever has none needs a token. `required`: whoever has none is not connected.",
    }),
    user: choice({
      of: ["cn", "dns", "uri", "email"],
      default: "cn",
      description:
        "What of a client's certificate is its user: the common name, or the first alternative name of a kind. A certificate without it is as good as none.",
    }),
  },
  topics: structured({
    kind: "map",
    default: SAME_NAMES,
    allowed: MQTT_TOPICS_ALLOWED,
    read: readTopics,
    description:
      "Which channel a topic is in: patterns such as `telemetry/+site/#rest` and channels such as `telemetry:{site}`. The most specific pattern that matches decides: level by level, a name goes before `+`, and `+` before `#`. By default every topic is the channel of the same name.",
  }),
  keepAliveMsMax: duration({
    default: KEEP_ALIVE_MS_MAX,
    min: 1000,
    max: KEEP_ALIVE_MS_MAX,
    description:
      "Longest keep alive of a client; clients of MQTT 5 are told. 1.5 times that without a packet ends a connection. The default is the longest that MQTT can say, so clients get what they ask for.",
  }),
  sessionExpiryMsMax: duration({
    default: 7 * DAY_MS,
    min: 0,
    max: 365 * DAY_MS,
    description:
      "How long the broker keeps a session without a connection, at most. MQTT 5 asks for a time; a session of 3.1.1 that is not clean is kept for this long. 0 keeps none.",
  }),
  receiveMax: integer({
    default: 1000,
    min: 1,
    max: 65_535,
    description:
      "Messages of QoS 1 and 2 of a client that are under way. Above it the node reads no more, and a client that owes as many PUBREL is ended with 0x93. Some clients send all that they have at once.",
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
