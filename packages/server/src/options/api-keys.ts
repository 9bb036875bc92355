// Owns: what keys of `apiKeys` may do.
import { type ApiKeyOf, apiKeyForm } from "@holdfast/config";

/**
 * What an API key may be used for. `disconnect` includes unsubscribing sessions; `drain` includes
 * undoing it; `*` is all.
 */
export const API_SCOPES = [
  "publish",
  "history",
  "history_remove",
  "presence",
  "channels",
  "sessions",
  "disconnect",
  "rpc",
  "info",
  "drain",
  "*",
] as const;
export type ApiScope = (typeof API_SCOPES)[number];

/** One key of option `apiKeys`. */
export type ApiKey = ApiKeyOf<ApiScope>;

/** The form of option `apiKeys`. */
export const API_KEYS = apiKeyForm(API_SCOPES);
