// Re-exports of the option table and what is made from it.
export * from "./api-keys.ts";
export { type LiveChanges, takeLive } from "./changes.ts";
export * from "./channels.ts";
export * from "./effective.ts";
export {
  type ConfigInput,
  type ConfigProblem,
  type ConfigResult,
  formatProblems,
  loadConfig,
  type Source,
} from "./load.ts";
export * from "./node-settings.ts";
export type { Option } from "./option.ts";
export {
  type Config,
  JWT_ALGORITHMS,
  type JwtAlgorithm,
  type OptionRow,
  optionRows,
} from "./options.ts";
export { optionsReference } from "./reference.ts";
