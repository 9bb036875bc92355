// Owns: the dashboard about clients of MQTT: their packets, sessions, wills, and what they are
// refused.
import { type DashboardSpec, figure, line } from "./dashboard.ts";
import { events, of, rate, sum } from "./queries.ts";

const by = (expr: string, ...labels: readonly string[]) => [
  { expr: sum(expr, ...labels), legend: labels.map((label) => `{{${label}}}`).join(" ") },
];
const all = (expr: string, legend: string) => [{ expr: sum(expr), legend }];

export const MQTT: DashboardSpec = {
  uid: "holdfast-mqtt",
  title: "Holdfast / MQTT",
  description: "Clients of MQTT: what they send and are sent, their sessions and wills, refusals.",
  rows: [
    {
      title: "Now",
      panels: [
        figure("Connections", {
          description: "Clients of MQTT whose CONNECT was accepted.",
          unit: "short",
          queries: all(of("holdfast_mqtt_connections"), "connections"),
        }),
        figure("Sessions", {
          description: "Sessions that connections have. Those without one are in the broker alone.",
          unit: "short",
          queries: all(of("holdfast_mqtt_sessions"), "sessions"),
        }),
        figure("Bytes of sessions", {
          description: "What the broker keeps of those, about.",
          unit: "bytes",
          queries: all(of("holdfast_mqtt_session_bytes"), "bytes"),
        }),
        figure("In flight", {
          description: "Messages of QoS 1 and 2 that are not acknowledged.",
          unit: "short",
          queries: all(of("holdfast_mqtt_in_flight_messages"), "messages"),
        }),
        figure("Waiting", {
          description: "Bytes of messages that wait until others are acknowledged.",
          unit: "bytes",
          queries: all(of("holdfast_mqtt_waiting_bytes"), "bytes"),
        }),
        figure("Wills that wait", {
          description: "For their time, or for their turn: a node publishes 1,000 a second.",
          unit: "short",
          queries: all(of("holdfast_mqtt_wills_waiting"), "wills"),
        }),
      ],
    },
    {
      title: "Packets",
      panels: [
        line("Packets of clients", {
          description: "What clients send, by type.",
          unit: "cps",
          queries: by(rate("holdfast_mqtt_packets_total", 'direction="in"'), "packet"),
        }),
        line("Packets to clients", {
          description: "What clients are sent, by type.",
          unit: "cps",
          queries: by(rate("holdfast_mqtt_packets_total", 'direction="out"'), "packet"),
        }),
        line("Connections by version", {
          description: "Clients by the version of MQTT that they speak.",
          unit: "short",
          queries: by(of("holdfast_mqtt_connections"), "protocol"),
        }),
        line("Messages to retain", {
          description: "Bytes of messages with the flag. Their channels bound what is kept.",
          unit: "bytes",
          queries: all(rate("holdfast_mqtt_retained_bytes_total"), "bytes a second"),
        }),
        line("Searches", {
          description: "Beginnings of names that are looked at, for filters with wildcards.",
          unit: "short",
          queries: by(of("holdfast_mqtt_searches"), "node"),
          alert: "HoldfastMqttSearches",
        }),
        line("Sessions that began", {
          description: "New ones, those that went on, and those that another connection took.",
          unit: "cps",
          queries: by(rate("holdfast_mqtt_sessions_total"), "outcome"),
        }),
      ],
    },
    {
      title: "Refusals",
      panels: [
        line("Publishes refused for good", {
          description: "By the code of the protocol that says why.",
          unit: "cps",
          queries: by(rate("holdfast_mqtt_publishes_refused_total"), "code"),
          alert: "HoldfastMqttPublishesRefused",
        }),
        line("Connections that were ended", {
          description: "By the reason code. use_another_server is a drain.",
          unit: "cps",
          queries: by(rate("holdfast_mqtt_disconnects_total"), "reason"),
          alert: "HoldfastMqttClientsEnded",
        }),
        line("Connections that were refused", {
          description: "Before they were open, by the reason code.",
          unit: "cps",
          queries: by(rate("holdfast_mqtt_connects_refused_total"), "reason"),
        }),
      ],
    },
    {
      title: "Identifiers and wills",
      panels: [
        line("Fights for identifiers", {
          description: "Connections that wait, because two clients have one identifier.",
          unit: "short",
          queries: by(events("holdfast_mqtt_take_overs_delayed_total"), "node"),
          alert: "HoldfastMqttFights",
          width: 12,
        }),
        line("Wills", {
          description: "What became of them; adopted ones are of nodes that have died.",
          unit: "short",
          queries: by(events("holdfast_mqtt_wills_total"), "outcome"),
          alert: "HoldfastMqttWillsFailed",
          width: 12,
        }),
      ],
    },
  ],
};
