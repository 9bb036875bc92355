// Owns: every alert, in the order in which somebody should look at them.
import { BACK_END_ALERTS } from "./alerts-back-ends.ts";
import { BROKER_ALERTS } from "./alerts-broker.ts";
import { DELIVERY_ALERTS } from "./alerts-delivery.ts";
import { DRAIN_ALERTS } from "./alerts-drain.ts";
import { GATEWAY_ALERTS } from "./alerts-gateway.ts";
import { LOAD_ALERTS } from "./alerts-load.ts";
import { MQTT_ALERTS } from "./alerts-mqtt.ts";
import { NODE_ALERTS } from "./alerts-nodes.ts";
import { OPERATOR_ALERTS } from "./alerts-operator.ts";
import { PIPELINE_ALERTS } from "./alerts-pipelines.ts";
import { SECURITY_ALERTS } from "./alerts-security.ts";
import type { AlertRule, RuleGroup } from "./rule.ts";

export const ALERT_GROUPS: readonly RuleGroup<AlertRule>[] = [
  { name: "holdfast-nodes", rules: NODE_ALERTS },
  { name: "holdfast-broker", rules: BROKER_ALERTS },
  { name: "holdfast-delivery", rules: DELIVERY_ALERTS },
  { name: "holdfast-drain", rules: DRAIN_ALERTS },
  { name: "holdfast-load", rules: LOAD_ALERTS },
  { name: "holdfast-mqtt", rules: MQTT_ALERTS },
  { name: "holdfast-pipelines", rules: PIPELINE_ALERTS },
  { name: "holdfast-back-ends", rules: BACK_END_ALERTS },
  { name: "holdfast-security", rules: SECURITY_ALERTS },
  { name: "holdfast-operator", rules: OPERATOR_ALERTS },
  { name: "holdfast-gateway", rules: GATEWAY_ALERTS },
];
