// Owns: every alert, in the order in which somebody should look at them.
import { BROKER_ALERTS } from "./alerts-broker.ts";
import { DELIVERY_ALERTS } from "./alerts-delivery.ts";
import { DRAIN_ALERTS } from "./alerts-drain.ts";
import { LOAD_ALERTS } from "./alerts-load.ts";
import { nodeAlerts } from "./alerts-nodes.ts";
import { SECURITY_ALERTS } from "./alerts-security.ts";
import type { AlertRule, RuleGroup } from "./rule.ts";

export interface AlertOptions {
  /** Pattern of the `job` label of Holdfast's nodes, for what only `up` can tell. */
  readonly jobPattern: string;
}

export const ALERT_DEFAULTS: AlertOptions = { jobPattern: ".*holdfast.*" };

export function alertGroups(options: AlertOptions = ALERT_DEFAULTS): readonly RuleGroup<AlertRule>[] {
  return [
    { name: "holdfast-nodes", rules: nodeAlerts(options.jobPattern) },
    { name: "holdfast-broker", rules: BROKER_ALERTS },
    { name: "holdfast-delivery", rules: DELIVERY_ALERTS },
    { name: "holdfast-drain", rules: DRAIN_ALERTS },
    { name: "holdfast-load", rules: LOAD_ALERTS },
    { name: "holdfast-security", rules: SECURITY_ALERTS },
  ];
}
