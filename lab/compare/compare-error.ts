// Owns: the error of a measurement that does not count.

export type CompareErrorCode = "load_failed" | "not_in_time" | "usage_unknown";

/** The server or the load did not do what the scenario asks: a figure would have no meaning. */
export class CompareError extends Error {
  readonly code: CompareErrorCode;
  constructor(code: CompareErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "CompareError";
    this.code = code;
  }
}
