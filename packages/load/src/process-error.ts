// Owns: the error of a child process that did not carry out its command.

export type ProcessErrorCode = "process_ended" | "process_silent" | "process_failed";

export class ProcessError extends Error {
  readonly code: ProcessErrorCode;
  constructor(code: ProcessErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "ProcessError";
    this.code = code;
  }
}
