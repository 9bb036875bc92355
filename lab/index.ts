// Re-exports of the measurements. Programs of this package (micro.ts, drivers, rivals) read argv
// and stdin themselves: they are started by tools.

export { ClusterCommands } from "./cluster/commands.ts";
export { ChartInstallation, type Values } from "./cluster/installation.ts";
export { isReady, type Pod, waitingFor } from "./cluster/pod.ts";
export { measureRound, type Round } from "./micro/measure.ts";
export { type Plan, planFrom } from "./micro/plan.ts";
export { reportOf } from "./micro/report.ts";
export { type Result, resultOf } from "./micro/result.ts";
export { withValidation } from "./plan-validation/document.ts";
export type { ValidationResult } from "./plan-validation/result.ts";
export { attemptsPerMove, missedTargets } from "./prove/cluster/judgement.ts";
export {
  type FiguresOptions,
  operatorFigures,
  type SetSample,
} from "./prove/cluster/operator-figures.ts";
export { Crowd } from "./prove/crowd.ts";
export { proofDocument, withKept } from "./prove/document.ts";
export type { GatewayProofResult } from "./prove/gateway/result.ts";
export { eventually } from "./prove/prove-error.ts";
export type { ProofResult, StepResult } from "./prove/result.ts";
export { TOKEN_SECRET } from "./prove/rivals/holdfast.ts";
export { resultOfStep } from "./prove/step-result.ts";
export { type Got, judge, type OracleRules, type Span } from "./prove/telemetry/oracle.ts";
export type { TelemetryResult } from "./prove/telemetry/result.ts";
