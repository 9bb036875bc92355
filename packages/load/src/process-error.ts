// Owns: why a process of ours did not do what it was asked.

export type ProcessErrorCode = "process_ended" | "process_silent" | "process_failed";

export class ProcessError extends Error {
  readonly code: ProcessErrorCode;
  constructor(code: ProcessErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "ProcessError";
    this.code = code;
  }
}
