// Owns: why a server to measure could not be started or used.

export type RivalErrorCode =
  | "bundle_failed"
  | "program_missing"
  | "server_ended"
  | "server_silent"
  | "url_unusable";

/** Nothing was measured. */
export class RivalError extends Error {
  readonly code: RivalErrorCode;
  constructor(code: RivalErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "RivalError";
    this.code = code;
  }
}
