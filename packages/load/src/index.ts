// Re-exports of the load generator as a library: make a plan (a scenario, or by hand), run it, read
// the result.
export { DRIVER_NAMES, type DriverName } from "./drivers/driver.ts";
export { isDriverName } from "./drivers/drivers.ts";
export { OWN_ERRORS } from "./error-names.ts";
export { Times, type TimesSummary } from "./histogram.ts";
export { liveLines, overwriting, progressLine, type Screen } from "./live-view.ts";
export { LoadError, type LoadErrorCode } from "./load-error.ts";
export { type Machine, machine } from "./machine.ts";
export { lookAtProcess } from "./observe.ts";
export * from "./plan.ts";
export { populationOf } from "./population.ts";
export type { CountKind, Counts, TimeKind } from "./recorder.ts";
export { reportPage } from "./report/page.ts";
export { resultText } from "./report/text.ts";
export type {
  Figures,
  GeneratorUse,
  LoadResult,
  PhaseResult,
  PlanShown,
  Point,
  ServerCost,
  ServerUse,
  TimesByKind,
} from "./result.ts";
export { type LoadHooks, type Progress, runLoad } from "./run.ts";
export { readScenario, type Scenario } from "./scenario-file.ts";
export * from "./scenarios.ts";
export {
  judge,
  mainTimes,
  readSlos,
  SLO_NAMES,
  type Slo,
  type SloVerdict,
  timeText,
} from "./slo.ts";
export { RawSocket, type SocketEnd } from "./wire/raw-socket.ts";
export { workAsWorker } from "./worker.ts";
export type { WorkerProgram } from "./workers.ts";
