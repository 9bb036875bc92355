// Owns: the files that are made from this package: for users of Prometheus and Grafana, and the
// same for the charts, which read nothing outside their folders. The gateway's has its own alone.
import { BROKER } from "./dashboards/broker.ts";
import type { DashboardSpec } from "./dashboards/dashboard.ts";
import { DEPLOY } from "./dashboards/deploy.ts";
import { FLEET } from "./dashboards/fleet.ts";
import { GATEWAY } from "./dashboards/gateway.ts";
import { MQTT } from "./dashboards/mqtt.ts";
import { OPERATOR } from "./dashboards/operator.ts";
import { PIPELINES } from "./dashboards/pipelines.ts";
import { renderDashboard } from "./dashboards/render.ts";
import { SECURITY } from "./dashboards/security.ts";
import { SLOW_CONSUMERS } from "./dashboards/slow-consumers.ts";
import { ALERT_GROUPS } from "./rules/alerts.ts";
import { RUN_BOOK_BASE, renderAlerts, renderRecording } from "./rules/rule-file.ts";

export const DASHBOARDS: readonly DashboardSpec[] = [
  FLEET,
  DEPLOY,
  BROKER,
  SLOW_CONSUMERS,
  MQTT,
  PIPELINES,
  SECURITY,
  OPERATOR,
  GATEWAY,
];

export interface WatchFile {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: () => string;
}

export function watchFiles(): readonly WatchFile[] {
  const files: readonly WatchFile[] = [
    { path: "alerts/holdfast-alerts.yaml", text: () => renderAlerts() },
    { path: "alerts/holdfast-recording.yaml", text: renderRecording },
    ...DASHBOARDS.map((spec) => ({
      path: `dashboards/${spec.uid}.json`,
      text: () => renderDashboard(spec, RUN_BOOK_BASE),
    })),
  ];
  const gateways = ALERT_GROUPS.filter(({ name }) => name === "holdfast-gateway");
  return [
    ...["deploy", "deploy/chart/files"].flatMap((folder) =>
      files.map(({ path, text }) => ({ path: `${folder}/${path}`, text })),
    ),
    {
      path: "deploy/gateway/chart/files/alerts.yaml",
      text: () => renderAlerts(RUN_BOOK_BASE, gateways),
    },
    {
      path: "deploy/gateway/chart/files/dashboard.json",
      text: () => renderDashboard(GATEWAY, RUN_BOOK_BASE),
    },
  ];
}
