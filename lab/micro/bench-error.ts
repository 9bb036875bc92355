// Owns: the error of a benchmark that could not be run.

export type BenchErrorCode =
  | "argument_invalid"
  | "child_ended"
  | "child_silent"
  | "child_failed"
  | "command_unknown"
  | "load_failed"
  | "server_unusable";

/** The run is over; nothing it measured counts. */
export class BenchError extends Error {
  readonly code: BenchErrorCode;
  constructor(code: BenchErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "BenchError";
    this.code = code;
  }
}
