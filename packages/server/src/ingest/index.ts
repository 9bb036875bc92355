// Re-exports of ingest.
export { createIngest, type Ingest, type IngestOptions, type IngestRecorder } from "./ingest.ts";
