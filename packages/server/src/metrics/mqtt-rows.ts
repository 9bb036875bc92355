// Owns: the metrics of the MQTT door.
import { row } from "./row.ts";

export const MQTT_METRICS = {
  holdfast_mqtt_connections: row(
    "gauge",
    "connections",
    ["protocol"],
    "Clients of MQTT whose CONNECT was accepted; `holdfast_connections` counts them, too.",
  ),
  holdfast_mqtt_packets_total: row(
    "counter",
    "packets",
    ["packet", "direction"],
    "Packets of MQTT that clients sent (`in`) and were sent (`out`).",
  ),
  holdfast_mqtt_in_flight_messages: row(
    "gauge",
    "messages",
    [],
    "Messages of QoS 1 and 2 that clients of MQTT were sent and have not acknowledged.",
  ),
  holdfast_mqtt_waiting_bytes: row(
    "gauge",
    "bytes",
    [],
    "Messages that wait until clients of MQTT acknowledge others.",
  ),
  holdfast_mqtt_sessions: row(
    "gauge",
    "sessions",
    [],
    "Sessions of MQTT that connections of the node have.",
  ),
  holdfast_mqtt_session_bytes: row(
    "gauge",
    "bytes",
    [],
    "What the broker keeps of those, about. Sessions without a connection are not counted.",
  ),
  holdfast_mqtt_retained_bytes_total: row(
    "counter",
    "bytes",
    [],
    "Messages that clients of MQTT asked to retain, without their topics. Their channels bound what is kept.",
  ),
  holdfast_mqtt_searches: row(
    "gauge",
    "searches",
    [],
    "Beginnings of channels' names that the node looks for new channels at, for filters with wildcards. Above 50 a new channel of another node may be found later than after a second.",
  ),
  holdfast_mqtt_sessions_total: row(
    "counter",
    "sessions",
    ["outcome"],
    "Sessions that connections began. The outcome is `new`, `resumed` (kept by the broker) or `taken_over` (another connection of the client took it from this node).",
  ),
  holdfast_mqtt_take_overs_delayed_total: row(
    "counter",
    "connections",
    [],
    "Connections that wait for their session, because others take it too often: two clients have one identifier.",
  ),
  holdfast_mqtt_connects_refused_total: row(
    "counter",
    "connections",
    ["reason"],
    "Connections of MQTT that were refused before they were open. The reason is the name of the reason code of MQTT 5.",
  ),
  holdfast_mqtt_disconnects_total: row(
    "counter",
    "connections",
    ["reason"],
    "Connections of MQTT that the node ended. The reason is the name of the reason code of MQTT 5, such as `malformed_packet`, `session_taken_over` or `use_another_server` (a drain).",
  ),
  holdfast_mqtt_wills_waiting: row(
    "gauge",
    "wills",
    [],
    "Wills of MQTT that wait for their time, or for their turn.",
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
