// Re-exports of the doctor.
export { CATALOGUE, type FindingId } from "./catalogue.ts";
export type { DoctorOptions, NodeConfig } from "./cluster-snapshot.ts";
export { type Diagnosis, diagnose, findingsOf, reaches, type WorkloadReport } from "./diagnose.ts";
export { DOCS_PAGE, type Finding, type Patch, SEVERITIES, type Severity } from "./finding.ts";
export { CONNECTIONS_ANNOTATION } from "./load.ts";
export { nodeConfigOf } from "./own-options.ts";
export { renderJson, renderSarif } from "./report-data.ts";
export { patchLines, renderText, type TextOptions } from "./report-text.ts";
