// Owns: alerts about clients of MQTT.
import { IN_JOB } from "./places.ts";
import type { AlertRule } from "./rule.ts";

export const MQTT_ALERTS: readonly AlertRule[] = [
  {
    name: "HoldfastMqttWillsFailed",
    severity: "warning",
    expr: `sum by (namespace, job) (increase(holdfast_mqtt_wills_total{outcome="failed"}[10m])) > 0`,
    summary: "Wills of clients of MQTT were not published",
    description: `About {{ $value | printf "%.0f" }} wills${IN_JOB} were given up within 10 minutes.`,
  },
  {
    name: "HoldfastMqttFights",
    severity: "warning",
    expr: `sum by (namespace, job) (rate(holdfast_mqtt_take_overs_delayed_total[5m])) > 0.05`,
    for: "10m",
    summary: "Clients of MQTT fight for an identifier",
    description: `{{ $value | printf "%.2f" }} connections a second${IN_JOB} wait, because another client with their identifier takes the session again and again.`,
  },
  {
    name: "HoldfastMqttPublishesRefused",
    severity: "warning",
    expr: `sum by (namespace, job) (rate(holdfast_mqtt_publishes_refused_total[10m]))
/
sum by (namespace, job) (rate(holdfast_mqtt_packets_total{packet="publish", direction="in"}[10m]))
> 0.01`,
    for: "10m",
    summary: "Many publishes of clients of MQTT are refused for good",
    description: `{{ $value | humanizePercentage }} of the messages of clients of MQTT${IN_JOB} were refused. Clients of 3.1.1 are not told.`,
  },
  {
    name: "HoldfastMqttClientsEnded",
    severity: "warning",
    expr: `sum by (namespace, job) (rate(holdfast_mqtt_disconnects_total{reason!~"use_another_server|session_taken_over|keep_alive_timeout"}[10m])) > 0.2`,
    for: "10m",
    summary: "Many clients of MQTT are ended for what they do",
    description: `{{ $value | printf "%.1f" }} connections a second${IN_JOB} are ended, because clients break rules or go beyond limits.`,
  },
  {
    name: "HoldfastMqttSearches",
    severity: "warning",
    expr: `max by (namespace, job) (holdfast_mqtt_searches) > 50`,
    for: "15m",
    summary: "Filters of MQTT with wildcards look at many places",
    description: `A node${IN_JOB} looks for new channels at {{ $value }} beginnings of names: it may find them later than after a second.`,
  },
];
