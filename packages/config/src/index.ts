// Re-exports of the machinery of option tables. The tables are with their programs.
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
export * from "./option.ts";
export { entriesOf, nearestName, unknownKeys } from "./record.ts";
export { optionsReference } from "./reference.ts";
export * from "./table.ts";
export { parseBoolean, parseDurationMs, parseJson, parseList, parseNumber } from "./values.ts";
