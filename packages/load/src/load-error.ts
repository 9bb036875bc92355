// Owns: the errors of a load run that could not take place. What a run found is in its result.

export type LoadErrorCode =
  | "plan_invalid"
  | "scenario_invalid"
  | "slo_invalid"
  | "worker_failed"
  | "nobody_connected";

/** The run did not take place, or ended without figures. */
export class LoadError extends Error {
  readonly code: LoadErrorCode;
  constructor(code: LoadErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "LoadError";
    this.code = code;
  }
}
