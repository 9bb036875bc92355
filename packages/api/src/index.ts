// Re-exports of the client of the HTTP API.
export { type ApiOptions, HoldfastApi } from "./api.ts";
export { HoldfastApiError, type HoldfastApiErrorDetails } from "./api-error.ts";
export type { CallOptions } from "./caller.ts";
export type { HistoryGap, HistoryStreamOptions } from "./history-stream.ts";
export type * from "./operations.ts";
export type {
  BroadcastResult,
  Command,
  CommandResult,
  HistoryPage,
  IngestEvent,
  IngestResult,
  Member,
  Publication,
  Published,
  PublishOptions,
  StreamedPublication,
  Who,
} from "./types.ts";
