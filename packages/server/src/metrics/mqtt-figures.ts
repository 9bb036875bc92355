// Owns: the figures of the MQTT door at a scrape.
import type { MqttFigures } from "@holdfast/door-mqtt";
import type { Families } from "./families.ts";
import type { MetricName } from "./table.ts";

export function readMqtt(families: Families, figures: MqttFigures): void {
  const set = (name: MetricName, value: number): void => {
    families.number(name).cell().value = value;
  };
  for (const [direction, counts] of [
    ["in", figures.received],
    ["out", figures.sent],
  ] as const)
    for (const [packet, count] of Object.entries(counts))
      families.number("holdfast_mqtt_packets_total").cell(packet, direction).value = count;
  set("holdfast_mqtt_in_flight_messages", figures.inFlight);
  set("holdfast_mqtt_waiting_bytes", figures.waitingBytes);
  set("holdfast_mqtt_sessions", figures.sessions);
  set("holdfast_mqtt_session_bytes", figures.sessionBytes);
  set("holdfast_mqtt_retained_bytes_total", figures.retainedBytes);
  set("holdfast_mqtt_searches", figures.searches);
  set("holdfast_mqtt_wills_waiting", figures.waitingWills);
}
