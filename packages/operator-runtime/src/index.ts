// Re-exports of the runtime.

export type { OperatorEvents, SetGauges } from "./events.ts";
export {
  Operator,
  type OperatorOptions,
  type OperatorState,
  type RuntimeEvents,
} from "./operator.ts";
