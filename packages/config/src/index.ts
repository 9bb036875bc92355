// Re-exports of the machinery of option tables. The tables are with their programs.
export { API_KEY_LENGTH_MIN, type ApiKeyForm, type ApiKeyOf, apiKeyForm } from "./api-keys.ts";
export { type LiveChanges, takeLive } from "./changes.ts";
export * from "./effective.ts";
export {
  type ConfigInput,
  type ConfigProblem,
  type ConfigResult,
  formatProblems,
  loadConfig,
  type Source,
} from "./load.ts";
export { isAddressRange, isHost } from "./network-forms.ts";
export * from "./option.ts";
export { entriesOf, nearestName, unknownKeys } from "./record.ts";
export { optionsReference } from "./reference.ts";
export * from "./table.ts";
export { parseBoolean, parseDurationMs, parseJson, parseList, parseNumber } from "./values.ts";
