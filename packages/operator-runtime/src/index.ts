// Re-exports of the runtime.

export type { ActionOutcome } from "./carry-out.ts";
export type { DemandAnswer, DemandRefusal, SetPlace } from "./demand.ts";
export type { AskOutcome, OperatorEvents, SetGauges } from "./events.ts";
export { GatewayPlanes, type GatewayPlanesOptions } from "./gateway-planes.ts";
export {
  OPERATOR_LABELS,
  OPERATOR_METRICS,
  type OperatorLabel,
  type OperatorMetricName,
  type OperatorMetricRow,
} from "./metrics-table.ts";
export { PATHS, REVISION_LABEL, SET_LABEL } from "./names.ts";
export {
  KINDS,
  Operator,
  type OperatorOptions,
  type OperatorState,
  type RuntimeEvents,
} from "./operator.ts";
