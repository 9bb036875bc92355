// Owns: the metrics of the MQTT door.
import { row } from "./row.ts";

export const MQTT_METRICS = {
  holdfast_mqtt_connections: row(
    "gauge",
    "connections",
    [],
    "Clients of MQTT whose CONNECT was accepted; `holdfast_connections` counts them, too.",
  ),
  holdfast_mqtt_sessions_total: row(
    "counter",
    "sessions",
    ["outcome"],
    "Sessions that connections began. The outcome is `new`, `resumed` (kept by the broker) or `taken_over` (another connection of the client took it from this node).",
  ),
  holdfast_mqtt_wills_total: row(
    "counter",
    "wills",
    ["outcome"],
    "What became of wills. The outcome is `published`, `void` (the client said goodbye or came back), `failed` (the broker did not take it) or `adopted` (this node carries it out for one that has died; another outcome follows).",
  ),
  holdfast_mqtt_publishes_refused_total: row(
    "counter",
    "messages",
    ["code"],
    "Messages of clients of MQTT that were refused for good. Of MQTT 3.1.1 they were acknowledged all the same: it has no word for it.",
  ),
} as const;
