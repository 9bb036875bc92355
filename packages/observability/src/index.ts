// Re-exports of dashboards, alerts and recording rules.
export type { DashboardSpec, PanelSpec, Query, Unit } from "./dashboards/dashboard.ts";
export { renderDashboard } from "./dashboards/render.ts";
export { DASHBOARDS, type WatchFile, watchFiles } from "./files.ts";
export { ALERT_GROUPS } from "./rules/alerts.ts";
export { RECORDING_GROUPS } from "./rules/recording.ts";
export {
  type AlertRule,
  type RecordingRule,
  type RuleGroup,
  runBookOf,
  type Severity,
} from "./rules/rule.ts";
export { RUN_BOOK_BASE, renderAlerts, renderRecording } from "./rules/rule-file.ts";
export { type GeneratedDocument, observabilityDocuments } from "./run-books.ts";
